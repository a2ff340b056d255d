import type { ScanPage, ScanSummary } from "../api/types";

/** Whether `row` comes behind `end` in a list of the newest first. */
function isBehind(row: ScanSummary, end: ScanSummary): boolean {
  if (row.received_at === null || end.received_at === null) return true;
  if (row.received_at !== end.received_at) return row.received_at < end.received_at;
  return row.key < end.key;
}

/** An earlier page with what a newer answer for the same place says.
 *
 * Scans come and go between two answers, so the newer one may end earlier than the earlier did.
 * What the earlier page has behind that end is kept: the next page begins after it.
 *
 * @param byTime whether the list has the newest first; else what is behind the end is what comes
 *   after the last scan that both have. */
export function mergePage(earlier: ScanPage, newer: ScanPage, byTime: boolean): ScanPage {
  const end = newer.items.at(-1);
  if (newer.next == null || end === undefined) return newer;
  const fresh = new Set(newer.items.map(({ key }) => key));
  const last = earlier.items.findLastIndex(({ key }) => fresh.has(key));
  const rest = byTime
    ? earlier.items.filter((row) => !fresh.has(row.key) && isBehind(row, end))
    : earlier.items.slice(last + 1);
  const next = rest.length > 0 ? earlier.next : newer.next;
  return { ...newer, items: [...newer.items, ...rest], next };
}

/** Whether the newer first page has nothing in common with the earlier one, so that the pages
 * behind it do not follow it any more. */
export function isBreak(earlier: ScanPage, newer: ScanPage): boolean {
  const known = new Set(earlier.items.map(({ key }) => key));
  return newer.next == null || !newer.items.some(({ key }) => known.has(key));
}

/** The scans of all pages, each once. */
export function rowsOf(pages: ScanPage[]): ScanSummary[] {
  const seen = new Set<string>();
  return pages.flatMap((page) =>
    page.items.filter(({ key }) => !seen.has(key) && seen.add(key) !== undefined),
  );
}

/** The scans of all pages of a list that grows, each once. Pages that were there the last time are
 * not gone through again: a list of 100,000 scans gets 200 pages, one after the other. */
export class Rows {
  #pages: ScanPage[] = [];
  #keys = new Set<string>();
  #rows: ScanSummary[] = [];

  of(pages: ScanPage[]): ScanSummary[] {
    const known = this.#pages;
    const isLonger = known.length <= pages.length && known.every((page, n) => page === pages[n]);
    if (!isLonger) this.#keys.clear();
    const fresh = (isLonger ? pages.slice(known.length) : pages).flatMap((page) =>
      page.items.filter(({ key }) => !this.#keys.has(key) && this.#keys.add(key) !== undefined),
    );
    this.#rows = isLonger ? this.#rows.concat(fresh) : fresh;
    this.#pages = pages;
    return this.#rows;
  }
}
