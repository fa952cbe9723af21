/**
 * Where the objects of a heap lie: words of four bytes in pages. Small objects are put one behind
 * the other in the pages of the present space; a large one has a buffer of its own, of which each page of
 * its range is a view. So any word of any object is `pages[w >>> PAGE_SHIFT][w & PAGE_MASK]`, where
 * `w` is its handle halved plus the word's offset.
 */

import { InternalError, Termination } from "../errors.ts";
import { MAX_HEAP_PAGES } from "../limits.ts";

/** Words of a page: 64 KiB. */
export const enum PageBits {
  Shift = 14,
  Mask = 0x3fff,
}
export const PAGE_SHIFT: number = PageBits.Shift;
export const PAGE_WORDS = 1 << PAGE_SHIFT;
export const PAGE_MASK: number = PageBits.Mask;
/** A space starts with a page of 4 KiB that grows: most heaps are small. */
const FIRST_PAGE_WORDS = 1_024;
/** Objects of more words are large, so that little is lost at the end of a page. */
export const MAX_SMALL_WORDS = PAGE_WORDS / 8;

/** What a page index is used for. */
export const enum PageUse {
  Free,
  /** Small objects of one space, or of the other: a collection moves them from one to the other. */
  Even,
  Odd,
  Large,
  /** A large object that a collection has reached. */
  LargeMarked,
}

export interface LargeObject {
  readonly firstPage: number;
  readonly pageCount: number;
  readonly byteLength: number;
}

const NO_WORDS = new Int32Array(0);

export class HeapPages {
  /** By page index; 0 is never used, and most heaps have no more than 1. The array stays the same one. */
  readonly words: Int32Array[] = [NO_WORDS, NO_WORDS];
  readonly uses: PageUse[] = [PageUse.Free, PageUse.Free];
  /** Words in use of each page of small objects. */
  readonly tops: number[] = [0, 0];
  space: PageUse.Even | PageUse.Odd = PageUse.Even;
  /** The pages of the present space in the order they were filled. */
  spacePages: number[] = [];
  /** The last of them; 0: none. */
  #page = 0;
  /** By first page. */
  readonly larges = new Map<number, LargeObject>();
  /** No page index below is free. */
  #firstFree = 1;
  /** Pages of full size to use again. */
  readonly #spare: Int32Array[] = [];

  /** Room for an object of so many words, an even number: its handle. A large one is zeroed. Throws `Termination`. */
  allocate(words: number): number {
    return words > MAX_SMALL_WORDS ? this.#allocateLarge(words) : this.allocateSmall(words);
  }

  allocateSmall(words: number): number {
    let page = this.#page;
    if (this.tops[page]! + words > this.words[page]!.length) page = this.#nextPage(words);
    const top = this.tops[page]!;
    this.tops[page] = top + words;
    return (page * PAGE_WORDS + top) << 1;
  }

  /** The page where the next `words` words fit: the first one grows, a full one is followed by another. */
  #nextPage(words: number): number {
    const current = this.#page;
    const needed = this.tops[current]! + words;
    if (this.words[current]!.length < PAGE_WORDS && needed <= PAGE_WORDS && current !== 0) {
      const page = newWords(pageSize(needed));
      page.set(this.words[current]!);
      this.words[current] = page;
      return current;
    }
    const size = this.spacePages.length === 0 ? pageSize(words) : PAGE_WORDS;
    const page = this.#freeRange(1);
    this.words[page] = (size === PAGE_WORDS ? this.#spare.pop() : undefined) ?? newWords(size);
    this.uses[page] = this.space;
    this.tops[page] = 0;
    this.spacePages.push(page);
    this.#page = page;
    return page;
  }

  #allocateLarge(words: number): number {
    const pageCount = Math.ceil(words / PAGE_WORDS);
    const firstPage = this.#freeRange(pageCount);
    const buffer = newWords(words);
    for (let i = 0; i < pageCount; i++) {
      this.words[firstPage + i] = buffer.subarray(i * PAGE_WORDS, (i + 1) * PAGE_WORDS);
      this.uses[firstPage + i] = PageUse.Large;
    }
    this.larges.set(firstPage, { firstPage, pageCount, byteLength: words * 4 });
    return (firstPage * PAGE_WORDS) << 1;
  }

  /** The first of `count` free page indices in a row. */
  #freeRange(count: number): number {
    const { uses } = this;
    while (this.#firstFree < uses.length && uses[this.#firstFree] !== PageUse.Free) this.#firstFree++;
    let first = this.#firstFree;
    if (count > MAX_HEAP_PAGES - first) throw outOfPages(count);
    for (let index = first; index < first + count && index < uses.length; index++) {
      if (uses[index] === PageUse.Free) continue;
      first = index + 1;
      if (count > MAX_HEAP_PAGES - first) throw outOfPages(count);
    }
    while (uses.length < first + count) {
      uses.push(PageUse.Free);
      this.words.push(NO_WORDS);
      this.tops.push(0);
    }
    return first;
  }

  /** What allocates from now on goes to another space; returns the pages of the one before. */
  changeSpace(): readonly number[] {
    const pages = this.spacePages;
    this.space = this.space === PageUse.Even ? PageUse.Odd : PageUse.Even;
    this.spacePages = [];
    this.#page = 0;
    return pages;
  }

  freeSmall(page: number): void {
    const words = this.words[page]!;
    if (words.length === PAGE_WORDS) this.#spare.push(words);
    this.#free(page);
  }

  freeLarge({ firstPage, pageCount }: LargeObject): void {
    this.larges.delete(firstPage);
    for (let i = 0; i < pageCount; i++) this.#free(firstPage + i);
  }

  #free(page: number): void {
    this.words[page] = NO_WORDS;
    this.uses[page] = PageUse.Free;
    this.tops[page] = 0;
    if (page < this.#firstFree) this.#firstFree = page;
  }

  /** Puts a page of small objects back, of which `words` are in use: the next one of its space. False if it is taken. */
  restoreSmall(page: number, words: Int32Array): boolean {
    if (!this.#restoreRange(page, 1, this.space)) return false;
    const size = this.spacePages.length === 0 ? pageSize(words.length) : PAGE_WORDS;
    const restored = newWords(size);
    restored.set(words);
    this.words[page] = restored;
    this.tops[page] = words.length;
    this.spacePages.push(page);
    this.#page = page;
    return true;
  }

  /** Puts a large object back. False if one of its pages is taken. */
  restoreLarge(firstPage: number, words: Int32Array): boolean {
    const pageCount = Math.ceil(words.length / PAGE_WORDS);
    if (!this.#restoreRange(firstPage, pageCount, PageUse.Large)) return false;
    for (let i = 0; i < pageCount; i++) {
      this.words[firstPage + i] = words.subarray(i * PAGE_WORDS, (i + 1) * PAGE_WORDS);
    }
    this.larges.set(firstPage, { firstPage, pageCount, byteLength: words.length * 4 });
    return true;
  }

  #restoreRange(first: number, count: number, use: PageUse): boolean {
    const { uses } = this;
    if (first < 1 || count > MAX_HEAP_PAGES - first) return false;
    while (uses.length < first + count) {
      uses.push(PageUse.Free);
      this.words.push(NO_WORDS);
      this.tops.push(0);
    }
    for (let page = first; page < first + count; page++) if (uses[page] !== PageUse.Free) return false;
    uses.fill(use, first, first + count);
    return true;
  }

  /** Keeps no more unused pages than so many bytes need. */
  keepSpare(byteLength: number): void {
    const count = Math.ceil(byteLength / (PAGE_WORDS * 4));
    if (this.#spare.length > count) this.#spare.length = count;
  }
}

/** Words of a first page that is to hold so many. */
function pageSize(needed: number): number {
  let size = FIRST_PAGE_WORDS;
  while (size < needed) size *= 2;
  return size;
}

/** Throws `Termination` when the host has no memory left. */
export function newWords(words: number): Int32Array {
  try {
    return new Int32Array(words);
  } catch {
    throw new Termination("host out of memory", `${words * 4} bytes of heap`);
  }
}

function outOfPages(count: number): Termination {
  return new Termination("memory limit", `${count} pages of heap, at most ${MAX_HEAP_PAGES}`);
}

/** A handle names an object that is there. */
export function checkUse(use: PageUse | undefined, handle: number): void {
  if (use === undefined || use === PageUse.Free) throw new InternalError(`no heap object at ${handle >>> 2}`);
}
