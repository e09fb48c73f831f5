/** The cells of the table whose header begins with these columns. Throws when there is none, or more than one. */
export function tableIn(markdown: string, ...columns: readonly string[]): string[][] {
  const tables = markdown
    .split(/\n(?!\|)/)
    .map((block) =>
      block
        .split('\n')
        .filter((line) => line.startsWith('|'))
        .map(cellsOf),
    )
    .filter(([header]) => header !== undefined && columns.every((column, at) => header[at] === column));
  if (tables.length !== 1) throw new Error(`${tables.length} tables begin with | ${columns.join(' | ')} |`);
  // The header and the line below it.
  return (tables[0] as string[][]).slice(2);
}

function cellsOf(line: string): string[] {
  return line.replace(/^\|\s*|\s*\|$/g, '').split(/\s*\|\s*/);
}

/** A count as the documents write it: 12,720. */
export function written(count: number): string {
  return count.toLocaleString('en-US');
}
