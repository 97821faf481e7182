import sax from "sax";
import { HomewardError } from "../../common/errors.ts";
import { MAX_LIBVIRT_CHARACTERS } from "../../protocol/import.ts";

const MAX_DEPTH = 32;
const MAX_ELEMENTS = 10_000;

export interface XmlElement {
  readonly name: string;
  readonly attributes: ReadonlyMap<string, string>;
  readonly children: readonly XmlElement[];
  /** All of its own text, without that of its children. */
  readonly text: string;
}

interface Growing extends XmlElement {
  readonly children: Growing[];
  text: string;
}

function refused(why: string): HomewardError {
  return new HomewardError("USAGE", `the machine's description is not as libvirt writes it: ${why}`, {
    hint: "Write it with: virsh dumpxml NAME > FILE",
  });
}

/**
 * Reads a small XML document from anywhere. Of the language only elements, attributes and text are known: no document
 * type, and so no entities of its own, nothing that grows, and nothing that names another file.
 * @throws USAGE
 */
export function parseXml(text: string): XmlElement {
  if (text.length > MAX_LIBVIRT_CHARACTERS) throw refused(`it is longer than ${MAX_LIBVIRT_CHARACTERS} characters`);
  const reader = sax.parser(true);
  const open: Growing[] = [];
  const roots: Growing[] = [];
  let elements = 0;
  reader.onerror = (error) => {
    throw refused(error.message.replaceAll("\n", ", "));
  };
  reader.ondoctype = () => {
    throw refused("it has a document type");
  };
  reader.onopentag = ({ name, attributes }) => {
    if (open.length >= MAX_DEPTH || ++elements > MAX_ELEMENTS) throw refused("it is too deep or has too many parts");
    const pairs = Object.entries(attributes).map(([key, value]): [string, string] => [key, String(value)]);
    const element: Growing = { name, attributes: new Map(pairs), children: [], text: "" };
    (open.at(-1)?.children ?? roots).push(element);
    open.push(element);
  };
  const onText = (piece: string): void => {
    const element = open.at(-1);
    if (element !== undefined) element.text += piece;
  };
  reader.ontext = onText;
  reader.oncdata = onText;
  reader.onclosetag = () => {
    open.pop();
  };
  reader.write(text).close();
  const [root, ...more] = roots;
  if (root === undefined || more.length > 0) throw refused("it does not hold one element");
  return root;
}

/** All elements that a path of names leads to. */
export function elementsAt(from: XmlElement, ...path: readonly string[]): XmlElement[] {
  return path.reduce<readonly XmlElement[]>(
    (found, name) => found.flatMap(({ children }) => children.filter((child) => child.name === name)),
    [from],
  ) as XmlElement[];
}

/** The first such element. */
export function elementAt(from: XmlElement, ...path: readonly string[]): XmlElement | undefined {
  return elementsAt(from, ...path)[0];
}
