import { constants, copyFile, link, open, rm } from 'node:fs/promises';

/**
 * Gives `file` a second name, or copies it where that is refused (another file system, one without hard links, somebody else's
 * file). The runtime refuses weights outside the graph's folder and symbolic links alike, so `file` must be the real path.
 * What is in its place is removed first: a copy over it could be written into another model's weights, of which it is a second name.
 */
export async function linkOrCopy(file: string, target: string, makeLink: typeof link = link): Promise<void> {
  await rm(target, { force: true });
  try {
    await makeLink(file, target);
  } catch {
    // Shares the blocks where the file system can; else a plain copy.
    await copyFile(file, target, constants.COPYFILE_FICLONE);
    await flush(target);
  }
}

/** A folder must not be published, and then found whole by its size, before its bytes are on the disk. */
async function flush(path: string): Promise<void> {
  const file = await open(path, 'r');
  try {
    await file.datasync();
  } catch {
    // Not every system flushes a file that is open for reading; the copy may be one that cannot be written.
  } finally {
    await file.close();
  }
}
