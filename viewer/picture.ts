import type { Point, Size } from "./x11/requests.ts";

/** How a viewer lays out the guest's picture in its window. */
export interface Layout {
  /** "fit": as large as it fits, proportions kept. "none": pixel by pixel. Either way in the middle. */
  readonly scale: "fit" | "none";
  /** Height of the viewer's own menu or tool bar above the picture, in the window's pixels. */
  readonly top: number;
}

/** Where the guest's picture lies, in pixels from the window's top left corner. */
export interface Picture extends Point, Size {}

/** @returns null if none of it, or, not scaled, only an unknown part of it can be seen */
export function placePicture(window: Size, screen: Size, { scale, top }: Layout): Picture | null {
  const room = { width: window.width, height: window.height - top };
  if (screen.width < 1 || screen.height < 1 || room.width < 1 || room.height < 1) return null;
  const factor = scale === "none" ? 1 : Math.min(room.width / screen.width, room.height / screen.height);
  const width = Math.round(screen.width * factor);
  const height = Math.round(screen.height * factor);
  if (width < 1 || height < 1 || width > room.width || height > room.height) return null;
  return {
    x: Math.floor((room.width - width) / 2),
    y: top + Math.floor((room.height - height) / 2),
    width,
    height,
  };
}

/** Whether a point of the window is in the picture. */
export function isInside(picture: Picture, { x, y }: Point): boolean {
  return x >= picture.x && y >= picture.y && x < picture.x + picture.width && y < picture.y + picture.height;
}

function between(value: number, last: number): number {
  return Math.max(0, Math.min(last, value));
}

/** The guest's pixel under a point of the window; outside of the picture the nearest one. */
export function toGuest(picture: Picture, screen: Size, { x, y }: Point): Point {
  return {
    x: between(Math.floor(((x - picture.x) * screen.width) / picture.width), screen.width - 1),
    y: between(Math.floor(((y - picture.y) * screen.height) / picture.height), screen.height - 1),
  };
}

/** The point of the window that shows the middle of a guest's pixel. */
export function toWindow(picture: Picture, screen: Size, { x, y }: Point): Point {
  return {
    x: picture.x + between(Math.floor(((x + 0.5) * picture.width) / screen.width), picture.width - 1),
    y: picture.y + between(Math.floor(((y + 0.5) * picture.height) / screen.height), picture.height - 1),
  };
}
