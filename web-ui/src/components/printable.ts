// A terminal's orders as a whole (colours, cursor, titles), then what controls alone are left; tabs and ends of line stay.
// eslint-disable-next-line no-control-regex -- they are what is looked for
const ORDERS = /(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?|\x1b[ -/]*[0-~]/g;
// eslint-disable-next-line no-control-regex -- they are what is looked for
const CONTROLS = /[\x00-\x08\x0b-\x1f\x7f-\x9f]/g;

/** Return what a plugin says as it can be shown: without the characters that steer a terminal. */
export function printable(text: string): string {
  return text.replace(/\r\n/g, '\n').replace(ORDERS, '').replace(CONTROLS, '');
}
