/* f64 arithmetic, division and square roots: five bodies, n steps. */
#include "kernel.h"

#define BODIES 5
typedef struct { double x, y, z, vx, vy, vz, mass; } Body;

static const double start[BODIES][7] = {
  {0, 0, 0, 0, 0, 0, 39.47841760435743},
  {4.84143144246472090, -1.16032004402742839, -0.103622044471123109, 0.606326392995832, 2.81198684491626, -0.02521836165988763, 0.03769367487038949},
  {8.34336671824457987, 4.12479856412430479, -0.403523417114321381, -1.01077434617879, 1.82566237123041, 0.00841576137658415, 0.01128632613196877},
  {12.8943695621391310, -15.1111514016986312, -0.223307578892655734, 1.08279100644154, 0.868713018169608, -0.0108326374013636, 0.001723724057059711},
  {15.3796971148509165, -25.9193146099879641, 0.179258772950371181, 0.979090732243898, 0.594698998647676, -0.034755955550410, 0.002033686869924631},
};
static Body bodies[BODIES];

NOINLINE static void advance(double dt) {
  for (int i = 0; i < BODIES; i++) {
    Body *a = &bodies[i];
    for (int j = i + 1; j < BODIES; j++) {
      Body *b = &bodies[j];
      double dx = a->x - b->x, dy = a->y - b->y, dz = a->z - b->z;
      double squared = dx * dx + dy * dy + dz * dz;
      double mag = dt / (squared * __builtin_sqrt(squared));
      a->vx -= dx * b->mass * mag, a->vy -= dy * b->mass * mag, a->vz -= dz * b->mass * mag;
      b->vx += dx * a->mass * mag, b->vy += dy * a->mass * mag, b->vz += dz * a->mass * mag;
    }
  }
  for (int i = 0; i < BODIES; i++) {
    Body *a = &bodies[i];
    a->x += dt * a->vx, a->y += dt * a->vy, a->z += dt * a->vz;
  }
}

EXPORT i32 run(i32 n) {
  double energy = 0;
  for (int i = 0; i < BODIES; i++) {
    const double *s = start[i];
    bodies[i] = (Body){s[0], s[1], s[2], s[3], s[4], s[5], s[6]};
  }
  for (i32 i = 0; i < n; i++) advance(0.01);
  for (int i = 0; i < BODIES; i++) {
    Body *a = &bodies[i];
    energy += 0.5 * a->mass * (a->vx * a->vx + a->vy * a->vy + a->vz * a->vz);
  }
  return (i32)(energy * 1e9);
}
