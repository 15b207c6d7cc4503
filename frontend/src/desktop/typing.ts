// Typing with the keyboard that a phone shows: what stands in a field that nobody sees becomes keys.
import type RFB from "@novnc/novnc";
import type { Keys } from "./keys";

// Something to delete, so that Backspace changes the field and is noticed.
const FILLING = "\u00b7".repeat(64);
const LATIN = 0x100;
const UNICODE = 0x01000000;
const RETURN = 0xff0d;

/** Open the phone's keyboard by a button, and send what is typed. */
export function typing(
  field: HTMLTextAreaElement,
  button: HTMLButtonElement,
  keys: Keys,
  rfb: () => RFB | undefined,
): void {
  let before = FILLING;
  const fill = (): void => {
    field.value = before = FILLING;
    field.setSelectionRange(field.value.length, field.value.length);
  };
  button.addEventListener("click", () => {
    fill();
    field.focus();
  });
  field.addEventListener("keydown", (event) => {
    if (event.key.length > 1 && keys.press(event.key)) event.preventDefault();
  });
  field.addEventListener("input", () => {
    const after = field.value;
    let same = 0;
    while (same < before.length && before[same] === after[same]) same += 1;
    for (let gone = before.length; gone > same; gone -= 1) keys.press("Backspace");
    for (const character of after.slice(same)) rfb()?.sendKey(keysym(character), null);
    before = after;
    if (after.length < FILLING.length / 2 || after.length > FILLING.length * 4) fill();
  });
}

/** Return X11's number of a character. */
function keysym(character: string): number {
  const point = character.codePointAt(0) ?? 0;
  if (point === 10) return RETURN;
  return point < LATIN ? point : UNICODE + point;
}
