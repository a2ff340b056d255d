/** Which files belong into one upload. */

/** A file with the path that it has below what was chosen. */
export interface ChosenFile {
  path: string;
  file: File;
}

/** Files that go into one upload, in this order. */
export interface Group {
  title: string;
  files: ChosenFile[];
}

/** The API takes this many files in one upload (FILES_MAX). */
const FILES_MAX = 20_000;

/** Files that hold whole scans: each is an upload, so that each has its own progress. A header and
 * its voxels (.hdr, .img) and the slices of a series must stay together. */
export const WHOLE = /\.(nii|nii\.gz|nii\.bz2|nii\.zst|zip|tar|tar\.gz|tgz|mgz|mgh|nrrd)$/i;

function folderOf(path: string): string {
  const end = path.lastIndexOf("/");
  return end < 0 ? "" : path.slice(0, end);
}

function topOf(path: string): string {
  return path.includes("/") ? path.slice(0, path.indexOf("/")) : "";
}

/** Divide chosen files into uploads: whole scans singly, the others by the folder that was chosen,
 * because a series may be spread over several folders below it.
 *
 * @param whole The names of files that hold whole scans. */
export function grouped(files: ChosenFile[], whole: RegExp = WHOLE): Group[] {
  const groups: Group[] = [];
  const rest = new Map<string, ChosenFile[]>();
  for (const one of files) {
    if (whole.test(one.path)) {
      groups.push({ title: one.path, files: [one] });
    } else {
      const top = topOf(one.path);
      rest.set(top, [...(rest.get(top) ?? []), one]);
    }
  }
  for (const [top, some] of rest) {
    some.sort((a, b) => a.path.localeCompare(b.path, undefined, { numeric: true }));
    for (const part of atMost(some, FILES_MAX)) {
      groups.push({ title: titleOf(top, part), files: part });
    }
  }
  return groups;
}

/** Pieces of at most so many files; folders are kept whole where they fit. */
function atMost(files: ChosenFile[], most: number): ChosenFile[][] {
  const pieces: ChosenFile[][] = [];
  let piece: ChosenFile[] = [];
  let begin = 0;
  while (begin < files.length) {
    let end = begin + 1;
    const folder = folderOf(files[begin]?.path ?? "");
    while (end < files.length && folderOf(files[end]?.path ?? "") === folder) end += 1;
    if (piece.length > 0 && piece.length + end - begin > most) {
      pieces.push(piece);
      piece = [];
    }
    for (const one of files.slice(begin, end)) {
      if (piece.length === most) {
        pieces.push(piece);
        piece = [];
      }
      piece.push(one);
    }
    begin = end;
  }
  if (piece.length > 0) pieces.push(piece);
  return pieces;
}

function titleOf(top: string, files: ChosenFile[]): string {
  if (files.length === 1) return files[0]?.path ?? top;
  return `${top || "Files"} (${files.length} files)`;
}

/** What was dropped, with all that its folders hold. */
export async function dropped(data: DataTransfer): Promise<ChosenFile[]> {
  // The entries must be taken before the first wait: the list is emptied after the event.
  const entries = [...data.items].map((item) => item.webkitGetAsEntry());
  const files = [...data.files];
  if (entries.every((entry) => entry === null)) return chosen(files);
  const found: ChosenFile[] = [];
  for (const entry of entries) {
    if (entry) await walk(entry, "", found);
  }
  return found;
}

/** What a file input holds. */
export function chosen(files: Iterable<File>): ChosenFile[] {
  return [...files].map((file) => ({ path: file.webkitRelativePath || file.name, file }));
}

async function walk(entry: FileSystemEntry, folder: string, found: ChosenFile[]): Promise<void> {
  const path = folder ? `${folder}/${entry.name}` : entry.name;
  if (entry.isFile) {
    const file = await new Promise<File>((resolve, reject) => {
      (entry as FileSystemFileEntry).file(resolve, reject);
    });
    found.push({ path, file });
    return;
  }
  const reader = (entry as FileSystemDirectoryEntry).createReader();
  for (;;) {
    // Browsers give some hundred entries at a time.
    const some = await new Promise<FileSystemEntry[]>((resolve, reject) => {
      reader.readEntries(resolve, reject);
    });
    if (some.length === 0) return;
    for (const one of some) await walk(one, path, found);
  }
}
