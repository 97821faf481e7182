import { ROBOT_KEYS } from "../keys.ts";
import type { InjectBegin, InjectCommand, WindowInputEvent } from "../messages.ts";
import { placePicture, toWindow, type Layout } from "../picture.ts";
import type { XConnection } from "../x11/connection.ts";
import { selectEvents, windowOrigin, windowSize, type Point, type Size } from "../x11/requests.ts";

/** What is used of robotjs. */
export interface Robot {
  keyToggle(key: string, down: "down" | "up"): void;
  moveMouse(x: number, y: number): void;
  mouseToggle(down: "down" | "up", button: "left" | "middle" | "right"): void;
  scrollMouse(x: number, y: number): void;
}

/** Bits of RFC 6143 7.5.5. */
const BUTTONS = [
  [1, "left"],
  [2, "middle"],
  [4, "right"],
] as const;
const WHEEL = [
  [8, 0, 1],
  [16, 0, -1],
  [32, 1, 0],
  [64, -1, 0],
] as const;
const STRUCTURE_NOTIFY = 1 << 17;
const NAME_BY_KEYSYM = new Map(
  [...ROBOT_KEYS.values()].flatMap(({ name, keysyms }) => keysyms.filter((each) => each !== 0).map((each) => [each, name])),
);

/** Does in a window what a guest is to get. */
export class WindowHands {
  readonly #robot: Robot;
  readonly #layout: Layout;
  #screen: Size;
  #origin: Point;
  #size: Size;
  #buttons = 0;

  private constructor(robot: Robot, { layout, screen }: InjectBegin, origin: Point, size: Size) {
    this.#robot = robot;
    this.#layout = layout;
    this.#screen = screen;
    this.#origin = origin;
    this.#size = size;
  }

  /** @throws NOT_FOUND if there is no such window */
  static async start(begin: InjectBegin, x: XConnection, robot: Robot): Promise<WindowHands> {
    const { window } = begin;
    const hands = new WindowHands(robot, begin, await windowOrigin(x, window), await windowSize(x, window));
    selectEvents(x, window, STRUCTURE_NOTIFY);
    x.onEvent(() => {
      Promise.all([windowOrigin(x, window), windowSize(x, window)]).then(
        ([origin, size]) => {
          hands.#origin = origin;
          hands.#size = size;
        },
        () => undefined, // It has been closed, and what was to be typed into it goes nowhere.
      );
    });
    return hands;
  }

  /** Does it now; what this keyboard has no key for is left out. */
  take(command: InjectCommand): void {
    if (command.type === "screen") this.#screen = command.screen;
    else if (command.type === "key") this.#key(command);
    else this.#pointer(command);
  }

  #key({ down, keysym, keycode }: WindowInputEvent & { type: "key" }): void {
    const name = ROBOT_KEYS.get(keycode)?.name ?? NAME_BY_KEYSYM.get(keysym);
    if (name !== undefined) this.#robot.keyToggle(name, down ? "down" : "up");
  }

  #pointer({ x, y, buttons }: WindowInputEvent & { type: "pointer" }): void {
    const picture = placePicture(this.#size, this.#screen, this.#layout);
    if (picture === null) return;
    const at = toWindow(picture, this.#screen, { x, y });
    this.#robot.moveMouse(this.#origin.x + at.x, this.#origin.y + at.y);
    const changed = buttons ^ this.#buttons;
    for (const [bit, name] of BUTTONS)
      if ((changed & bit) !== 0) this.#robot.mouseToggle((buttons & bit) !== 0 ? "down" : "up", name);
    for (const [bit, right, up] of WHEEL) if ((changed & buttons & bit) !== 0) this.#robot.scrollMouse(right, up);
    this.#buttons = buttons;
  }
}
