import { createHash } from "node:crypto";
import { describe, expect, it } from "vitest";
import { checkHostIdStart, formatHostId, parseHostId } from "../../protocol/host-id.ts";
import { formatPeerAddress, parsePeerAddress } from "../../protocol/peer-address.ts";

const hashOf = (text: string): Buffer => createHash("sha256").update(text).digest();
const ID = formatHostId(hashOf("homeward"));

describe("a host ID", () => {
  it("is base32 with a check digit after each 13 digits", () => {
    expect(formatHostId(Buffer.alloc(32))).toBe("AAAAAAA-AAAAAAA-AAAAAAA-AAAAAAA-AAAAAAA-AAAAAAA-AAAAAAA-AAAAAAA");
    // base32(sha256("homeward")) as coreutils' base32 prints it, without padding.
    const digits = ID.replaceAll("-", "");
    const bare = [0, 14, 28, 42].map((at) => digits.slice(at, at + 13)).join("");
    expect(bare).toBe("AWK7GVAE2PYHILNE6GFVYDCWVHAGJPKMNL55PRPQLUFWVRZPOXBA");
  });

  it("is read back, whatever it was made of", () => {
    for (let seed = 0; seed < 200; seed++) {
      const id = formatHostId(hashOf(String(seed)));
      expect(id).toMatch(/^[A-Z2-7]{7}(?:-[A-Z2-7]{7}){7}$/);
      expect(parseHostId(id)).toBe(id);
    }
  });

  it("may be typed carelessly", () => {
    expect(parseHostId(ID.toLowerCase())).toBe(ID);
    expect(parseHostId(ID.replaceAll("-", ""))).toBe(ID);
    expect(parseHostId(` ${ID.replaceAll("-", " ")} `)).toBe(ID);
    const confused = ID.replaceAll("O", "0").replaceAll("I", "1").replaceAll("B", "8");
    expect(parseHostId(confused)).toBe(ID);
  });

  it("with any one digit wrong is refused", () => {
    for (const [at, digit] of Array.from(ID).entries()) {
      if (digit === "-") continue;
      const wrong = ID.slice(0, at) + (digit === "Q" ? "R" : "Q") + ID.slice(at + 1);
      expect(() => parseHostId(wrong), wrong).toThrow(/mistake/);
    }
  });

  it.each(["", "home", ID.slice(0, -1), `${ID}A`, ID.replace(/./, "9"), ID.replace(/./, "Ä"), "A".repeat(10_000)])(
    "is not %j",
    (text) => {
      expect(() => parseHostId(text)).toThrow(/not a host ID/);
    },
  );
});

describe("an address", () => {
  it.each(["home:7411", "home.example:1", "192.0.2.1:65535", "[fd00::2]:7411", "a-b.c:80"])("can be %s", (text) => {
    expect(formatPeerAddress(parsePeerAddress(text))).toBe(text);
  });

  it.each([
    "home",
    ":7411",
    "home:",
    "home:0",
    "home:65536",
    "home:74x",
    "-oProxyCommand=x:22",
    "home;reboot:22",
    "$(x):22",
    "a b:22",
    "fd00::2:7411",
    "[fd00::zz]:7411",
    "[home]:7411",
    "https://home:7411",
    "user@home:22",
    "home:7411\n",
    `${"a".repeat(300)}:22`,
  ])("cannot be %j", (text) => {
    expect(() => parsePeerAddress(text)).toThrow(/not an address/);
  });

  it("may leave the port to the system only where it is listened on", () => {
    expect(parsePeerAddress("127.0.0.1:0", 0)).toEqual({ host: "127.0.0.1", port: 0 });
  });
});

describe("a host ID that is being typed", () => {
  it("is right or wrong as far as its check digits were reached", () => {
    for (let length = 0; length <= ID.length; length++)
      expect(checkHostIdStart(ID.slice(0, length).toLowerCase())).toEqual({ digits: ID.slice(0, length).replaceAll("-", "").length, of: 56 });
    const wrong = `${ID.slice(0, 3)}${ID[3] === "Q" ? "R" : "Q"}${ID.slice(4)}`;
    expect(checkHostIdStart(wrong.slice(0, 14)).digits).toBe(13);
    expect(() => checkHostIdStart(wrong.slice(0, 15))).toThrow("groups 1 and 2");
    expect(() => checkHostIdStart("MFZ!")).toThrow("only letters");
  });
});
