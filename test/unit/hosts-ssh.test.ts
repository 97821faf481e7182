import { describe, expect, it } from "vitest";
import { formatSshAddress, normalAddress, parseSshAddress } from "../../protocol/ssh-address.ts";
import { sshFailure } from "../../service/peers/ssh-failure.ts";
import { sshArguments } from "../../service/peers/ssh.ts";

describe("an address for ssh", () => {
  it.each(["ssh://home", "ssh://me@home.example", "ssh://me@home:2222", "ssh://[fd00::2]:22", "ssh://a_b-c.d", "ssh://m.e-x_2@h"])(
    "can be %s",
    (text) => {
      expect(formatSshAddress(parseSshAddress(text))).toBe(text);
      expect(normalAddress(text)).toBe(text);
    },
  );

  it.each([
    "ssh://",
    "ssh://-oProxyCommand=touch${IFS}x",
    "ssh://-l@home",
    "ssh://-oProxyCommand=x@home",
    "ssh://me@-home",
    "ssh://me@home:0",
    "ssh://me@home:65536",
    "ssh://me@home:-1",
    "ssh://me@home:22 -v",
    "ssh://me@home:22\n",
    "ssh://me@ho\u0000me",
    "ssh://me@ho\u001bme",
    "ssh://me@home;reboot",
    "ssh://$(x)@home",
    "ssh://`x`",
    "ssh://%h@home",
    "ssh://home%eth0",
    "ssh://me:password@home",
    "ssh://me@home/path",
    "ssh://me@home?x",
    "ssh://me@@home",
    "ssh://fd00::2",
    "ssh://[fd00::zz]",
    "ssh://[home]",
    "SSH://home",
    "ssh:home",
    `ssh://${"a".repeat(300)}`,
    `ssh://${"a".repeat(33)}@home`,
  ])("cannot be %j", (text) => {
    expect(() => parseSshAddress(text)).toThrow(/not an address/);
    expect(() => normalAddress(text)).toThrow(/not an address/);
    expect(() => sshArguments(text, null)).toThrow(/not an address/);
  });
});

describe("ssh is started", () => {
  it("with the host behind --, and one fixed command", () => {
    const args = sshArguments("ssh://me@home:2222", null);
    expect(args.slice(-7)).toEqual(["-l", "me", "-p", "2222", "--", "home", "homeward serve --stdio"]);
    expect(args).toEqual(expect.arrayContaining(["BatchMode=yes", "StrictHostKeyChecking=yes", "ClearAllForwardings=yes"]));
  });

  it("with other settings than the user's when they are given", () => {
    expect(sshArguments("ssh://home", "/x/config").slice(0, 2)).toEqual(["-F", "/x/config"]);
  });
});

describe("why ssh ended", () => {
  const why = (status: number | NodeJS.Signals, words: string): string =>
    sshFailure("home", "ssh://home", { status, words }).message;

  it.each([
    ["@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @\r\nHost key verification failed.\r\n", /another ssh host key/],
    ["Host key verification failed.\r\n", /not known here/],
    ["me@home: Permission denied (publickey,password).\r\n", /does not let this host log in/],
    ["ssh: connect to host home port 22: Connection refused\r\n", /cannot be reached with ssh: .*Connection refused/],
    ["ssh: Could not resolve hostname home: Name or service not known\r\n", /cannot be reached with ssh/],
    ["kex_exchange_identification: Connection closed by remote host\r\n", /through ssh: kex_exchange/],
    ["", /it ended with 255/],
  ])("is found in %j", (words, message) => {
    expect(why(255, words)).toMatch(message);
  });

  it("is left to the other side where that said it", () => {
    expect(why(127, "bash: line 1: homeward: command not found\n")).toMatch(/no homeward on home/);
    expect(why(5, "motd\nhomeward: no Homeward service is running for /x\nhint\n")).toBe(
      "home, through ssh: no Homeward service is running for /x",
    );
    // What the other side says does not pass for what ssh says.
    expect(why(1, "Permission denied\n")).toBe("home, through ssh: Permission denied");
    expect(why("SIGTERM", "")).toMatch(/it ended with SIGTERM/);
    expect(why(1, "\u001b[2Jgone\n")).not.toContain("\u001b");
  });
});
