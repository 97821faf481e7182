/** Rows of cells as lines of text with aligned columns, two spaces apart. */
export function formatTable(
  rows: readonly (readonly string[])[],
  align: readonly ("left" | "right")[] = [],
  indent = "",
): string {
  const widths: number[] = [];
  for (const row of rows)
    for (const [column, cell] of row.entries()) widths[column] = Math.max(widths[column] ?? 0, cell.length);
  return rows
    .map((row) => {
      const cells = row.map((cell, column) => {
        const width = widths[column] ?? 0;
        return align[column] === "right" ? cell.padStart(width) : cell.padEnd(width);
      });
      return (indent + cells.join("  ")).trimEnd();
    })
    .join("\n");
}
