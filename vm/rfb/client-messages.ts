/** Client-to-server messages, RFC 6143 section 7.5 and QEMU's extended key event (type 255, subtype 0). */

export const ENCODING = {
  raw: 0,
  copyRect: 1,
  desktopSize: -223,
  lastRect: -224,
  qemuExtendedKey: -258,
} as const;

export const CLIENT_MESSAGE = {
  setPixelFormat: 0,
  setEncodings: 2,
  framebufferUpdateRequest: 3,
  keyEvent: 4,
  pointerEvent: 5,
  clientCutText: 6,
  qemu: 255,
} as const;

/** 32 bits, little-endian, red in the lowest byte: what Framebuffer stores, so rows are copied as they come. */
export function setPixelFormatRgbx(): Buffer {
  const message = Buffer.alloc(20);
  message[0] = CLIENT_MESSAGE.setPixelFormat;
  message.set([32, 24, 0, 1], 4);
  message.writeUInt16BE(255, 8);
  message.writeUInt16BE(255, 10);
  message.writeUInt16BE(255, 12);
  message.set([0, 8, 16], 14);
  return message;
}

export function setEncodings(encodings: readonly number[]): Buffer {
  const message = Buffer.alloc(4 + encodings.length * 4);
  message[0] = CLIENT_MESSAGE.setEncodings;
  message.writeUInt16BE(encodings.length, 2);
  encodings.forEach((encoding, i) => message.writeInt32BE(encoding, 4 + i * 4));
  return message;
}

export function framebufferUpdateRequest(incremental: boolean, width: number, height: number): Buffer {
  const message = Buffer.alloc(10);
  message[0] = CLIENT_MESSAGE.framebufferUpdateRequest;
  message[1] = incremental ? 1 : 0;
  message.writeUInt16BE(width, 6);
  message.writeUInt16BE(height, 8);
  return message;
}

export function keyEvent(down: boolean, keysym: number): Buffer {
  const message = Buffer.alloc(8);
  message[0] = CLIENT_MESSAGE.keyEvent;
  message[1] = down ? 1 : 0;
  message.writeUInt32BE(keysym, 4);
  return message;
}

/** @param keycode XT scan code, 0xe0-prefixed ones with bit 7 set */
export function extendedKeyEvent(down: boolean, keysym: number, keycode: number): Buffer {
  const message = Buffer.alloc(12);
  message[0] = CLIENT_MESSAGE.qemu;
  message.writeUInt16BE(down ? 1 : 0, 2);
  message.writeUInt32BE(keysym, 4);
  message.writeUInt32BE(keycode, 8);
  return message;
}

/** @param buttons RFC 6143 7.5.5 mask */
export function pointerEvent(x: number, y: number, buttons: number): Buffer {
  const message = Buffer.alloc(6);
  message[0] = CLIENT_MESSAGE.pointerEvent;
  message[1] = buttons;
  message.writeUInt16BE(x, 2);
  message.writeUInt16BE(y, 4);
  return message;
}
