/** The few parts of SVG that charts are made of. Lengths are pixels. */

const STYLE = `<style>text{font:12px sans-serif;fill:#222}.h{font-weight:bold;font-size:14px}.v{font-size:11px}.g{stroke:#ddd}</style>`;

function escapeText(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}

/** @param attributes as they stand in the element, beginning with a space; class "h" is a heading, "v" a value */
export function svgText(x: number, y: number, content: string, attributes = ""): string {
  return `<text x="${x.toFixed(1)}" y="${y.toFixed(1)}"${attributes}>${escapeText(content)}</text>`;
}

/** A bar; one of negative width has none. */
export function svgBar(x: number, y: number, width: number, height: number, colour: string): string {
  return `<rect x="${x.toFixed(1)}" y="${y.toFixed(1)}" width="${Math.max(0, width).toFixed(1)}" height="${height}" fill="${colour}"/>`;
}

/** A whole picture on white. */
export function svgDocument(width: number, height: number, parts: readonly string[], title: string): string {
  const size = `width="${width}" height="${height}" viewBox="0 0 ${width} ${height}"`;
  const ground = `<rect width="100%" height="100%" fill="#fff"/>`;
  return `<svg xmlns="http://www.w3.org/2000/svg" ${size} role="img"><title>${escapeText(title)}</title>${STYLE}${ground}\n${parts.join("\n")}\n</svg>\n`;
}
