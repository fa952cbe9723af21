/** Who ran when, as one HTML file that needs nothing else: a lane for each process, a bar for each turn. */

export interface Lane {
  readonly name: string;
  /** Lanes of the same group have the same colour. */
  readonly group: number;
  /** Beginning and length of each turn, in milliseconds. */
  readonly turns: readonly (readonly [startMs: number, lengthMs: number])[];
}

export interface Panel {
  readonly title: string;
  readonly lanes: readonly Lane[];
  readonly lengthMs: number;
}

const WIDTH = 1_200;
const NAME_WIDTH = 150;
const LANE_HEIGHT = 18;
const COLOURS = ["#4472c4", "#ed7d31", "#70ad47", "#a5559f", "#c9a227", "#2e9c9c", "#c0504d", "#6b6b6b"];

const escapeHtml = (text: string): string => text.replace(/[&<>"]/g, (char) => `&#${char.charCodeAt(0)};`);

function panelSvg({ title, lanes, lengthMs }: Panel): string {
  const height = (lanes.length + 1) * LANE_HEIGHT + 8;
  const x = (ms: number): string => (NAME_WIDTH + (ms / lengthMs) * WIDTH).toFixed(2);
  const step = [1, 2, 5, 10, 20, 50, 100, 200, 500].find((each) => lengthMs / each <= 20) ?? 1_000;
  const parts: string[] = [];
  for (let ms = 0; ms <= lengthMs; ms += step) {
    parts.push(`<line x1="${x(ms)}" x2="${x(ms)}" y1="0" y2="${height - LANE_HEIGHT}" stroke="#e4e4e4"/>`);
    parts.push(`<text x="${x(ms)}" y="${height - 4}" text-anchor="middle" fill="#777">${ms} ms</text>`);
  }
  lanes.forEach(({ name, group, turns }, i) => {
    const y = i * LANE_HEIGHT + 3;
    parts.push(`<text x="${NAME_WIDTH - 8}" y="${y + 11}" text-anchor="end">${escapeHtml(name)}</text>`);
    const bars = turns.map(
      ([start, length]) => `M${x(start)} ${y}h${Math.max(0.3, (length / lengthMs) * WIDTH).toFixed(2)}v13H${x(start)}z`,
    );
    parts.push(
      `<path fill="${COLOURS[group % COLOURS.length]}" d="${bars.join("")}"><title>${escapeHtml(name)}: ${turns.length} turns</title></path>`,
    );
  });
  return `<h2>${escapeHtml(title)}</h2>
<svg viewBox="0 0 ${NAME_WIDTH + WIDTH + 20} ${height}" width="100%" font-size="11" font-family="system-ui, sans-serif">
${parts.join("\n")}
</svg>`;
}

export function pictureHtml(heading: string, panels: readonly Panel[]): string {
  return `<!doctype html>
<meta charset="utf-8">
<title>${escapeHtml(heading)}</title>
<style>body { font: 14px system-ui, sans-serif; margin: 2em; } h2 { font-size: 15px; margin: 1.5em 0 0.3em; }</style>
<h1>Who ran when</h1>
<p>${escapeHtml(heading)}</p>
${panels.map(panelSvg).join("\n")}
`;
}
