import { constants, copyFile, link } from 'node:fs/promises';

/**
 * Gives `file` a second name, or copies it where that is refused (another file system, one without hard links, somebody else's
 * file). The runtime refuses weights outside the graph's folder and symbolic links alike, so `file` must be the real path.
 */
export async function linkOrCopy(file: string, target: string, makeLink: typeof link = link): Promise<void> {
  try {
    await makeLink(file, target);
  } catch {
    // Shares the blocks where the file system can; else a plain copy.
    await copyFile(file, target, constants.COPYFILE_FICLONE);
  }
}
