import type { CallFailed, PageCode } from '../api/failure';

export interface Advice {
  title: string;
  doThis: string;
  /** The same image is refused again, whatever is tried: nobody should be offered to. */
  isFinal?: true;
}

/** The server's table of codes (docs/reference/error-codes.md), and those that the page itself gives. */
export type KnownCode = ServerCode | PageCode;
export type ServerCode = (typeof SERVER_CODES)[number];

export const SERVER_CODES = [
  'malformed_request',
  'unknown_field',
  'missing_plugin',
  'invalid_base64',
  'body_too_large',
  'unsupported_content_type',
  'empty_image',
  'missing_mime_type',
  'unsupported_mime_type',
  'mime_mismatch',
  'undecodable_image',
  'image_too_large',
  'invalid_options',
  'invalid_output',
  'output_too_large',
  'plugin_failed',
  'plugin_timeout',
  'plugin_crashed',
  'image_url_disabled',
  'image_url_refused',
  'image_url_failed',
  'image_url_too_large',
  'shutting_down',
  'webhooks_disabled',
  'webhook_refused',
  'storage_unavailable',
  'plugin_out_of_memory',
  'plugin_out_of_disk',
  'plugin_not_found',
  'plugin_unavailable',
  'plugin_disabled',
  'permission_not_granted',
  'input_quarantined',
  'overloaded',
  'rate_limited',
  'cancelled',
  'interrupted',
  'deadline_exceeded',
  'dependency_failed',
  'not_found',
  'method_not_allowed',
  'job_not_found',
  'job_not_cancellable',
  'idempotency_conflict',
  'unauthorized',
  'forbidden',
  'internal_error',
] as const;

const CONVERT = 'Convert it to JPEG, PNG, WebP, BMP, GIF or TIFF and add it again.';
const PAGE_FAULT = 'This is a fault between page and server. Load the page anew; if it stays, please report it.';

const ADVICE: Record<KnownCode, Advice> = {
  malformed_request: { title: 'The server did not understand the request', doThis: PAGE_FAULT },
  unknown_field: { title: 'The server did not understand the request', doThis: PAGE_FAULT },
  missing_plugin: { title: 'No plugin was chosen', doThis: 'Choose a plugin, then run again.' },
  invalid_base64: { title: 'The image did not arrive whole', doThis: PAGE_FAULT },
  body_too_large: {
    title: 'The file is too large for this server',
    doThis: 'Scale the image down or save it with more compression. Whoever runs the server can raise the limit.',
    isFinal: true,
  },
  unsupported_content_type: { title: 'This kind of file is not taken', doThis: CONVERT, isFinal: true },
  empty_image: {
    title: 'The file is empty',
    doThis: 'Choose the file again; perhaps it was not copied to its end.',
    isFinal: true,
  },
  missing_mime_type: { title: 'This kind of file is not known', doThis: CONVERT, isFinal: true },
  unsupported_mime_type: { title: 'This kind of image is not taken', doThis: CONVERT, isFinal: true },
  mime_mismatch: {
    title: 'The file is not what its name says',
    doThis: 'Give the file its right ending, or save it anew from an image editor.',
    isFinal: true,
  },
  undecodable_image: {
    title: 'This is no image, or a broken one',
    doThis: 'Open it in another program. If it does not show there either, get the file again from where it came.',
    isFinal: true,
  },
  image_too_large: {
    title: 'The image has too many pixels',
    doThis: 'Scale it down and add it again. Whoever runs the server can raise the limit.',
    isFinal: true,
  },
  invalid_options: {
    title: 'An option does not fit',
    doThis: 'Mend the option in the plugin’s form, then run again.',
  },
  invalid_output: {
    title: 'The plugin gave an answer that makes no sense',
    doThis: 'The image is fine: it is a fault of the plugin. Tell its author.',
  },
  output_too_large: {
    title: 'The plugin found more than can be sent',
    doThis: 'Ask for less in the plugin’s options, such as a higher confidence or fewer findings.',
  },
  plugin_failed: {
    title: 'The plugin failed on this image',
    doThis: 'Try another image or other options. If it stays, tell the plugin’s author.',
  },
  plugin_timeout: {
    title: 'The plugin took too long and was stopped',
    doThis: 'Try a smaller image, or try again when there is less to do.',
  },
  plugin_crashed: {
    title: 'The plugin crashed on this image',
    doThis: 'The server has started it anew; you can go on. If it stays, tell the plugin’s author.',
  },
  plugin_out_of_memory: {
    title: 'The plugin needed more memory than it may use',
    doThis: 'Try a smaller image. Whoever runs the server can give the plugin more memory.',
  },
  plugin_out_of_disk: {
    title: 'The plugin filled its scratch folder',
    doThis: 'Try a smaller image. Whoever runs the server can give the plugin a larger scratch folder.',
  },
  image_url_disabled: {
    title: 'The server fetches no images from addresses',
    doThis: 'Send the image itself. Whoever runs the server can allow addresses.',
  },
  image_url_refused: {
    title: 'The image’s address may not be called',
    doThis: 'Use a public http or https address.',
  },
  image_url_failed: {
    title: 'The image could not be fetched from its address',
    doThis: 'Check the address, then try again.',
  },
  image_url_too_large: {
    title: 'The image at that address is too large',
    doThis: 'Use a smaller image.',
  },
  shutting_down: {
    title: 'The server is stopping',
    doThis: 'Wait a moment; the page goes on when the server is back.',
  },
  webhooks_disabled: {
    title: 'The server calls no webhooks',
    doThis: 'Follow the job on its page instead. Whoever runs the server can allow webhooks.',
  },
  webhook_refused: {
    title: 'The webhook’s address may not be called',
    doThis: 'Use a public http or https address.',
  },
  storage_unavailable: {
    title: 'The server cannot read or write its data now',
    doThis: 'Try again in a moment. If it stays, tell whoever runs the server.',
  },
  plugin_not_found: {
    title: 'The plugin is not there any more',
    doThis: 'It was removed from the server. Choose another one.',
  },
  plugin_unavailable: {
    title: 'The plugin cannot run now',
    doThis: 'The reason is above. After crashes it rests for a short time: try again in half a minute.',
  },
  plugin_disabled: {
    title: 'The plugin is switched off',
    doThis: 'Choose another one, or switch it on in the view “Plugins”.',
  },
  permission_not_granted: {
    title: 'The plugin lacks a permission',
    doThis: 'Whoever runs the server decides about it in plugins.toml. Until then choose another plugin.',
  },
  input_quarantined: {
    title: 'This image has crashed the plugin before',
    doThis: 'It is not tried again with this plugin. Use another plugin, or reload this one in the view “Plugins”.',
    isFinal: true,
  },
  overloaded: {
    title: 'The server has too much to do just now',
    doThis: 'Wait a moment, then try again.',
  },
  rate_limited: { title: 'Too many requests', doThis: 'Wait a moment, then try again.' },
  cancelled: { title: 'Cancelled', doThis: 'Run it again when you like.' },
  interrupted: { title: 'The server stopped during the run', doThis: 'Run it again.' },
  deadline_exceeded: {
    title: 'It was not done in the time that it was given',
    doThis: 'There may be much to do just now. Try again later, or give it more time.',
  },
  dependency_failed: {
    title: 'A job that this one needs did not succeed',
    doThis: 'See what is wrong with that job, mend it, then run this one again.',
  },
  not_found: { title: 'There is nothing here', doThis: 'It may have been removed, or never kept.' },
  method_not_allowed: { title: 'The server did not understand the request', doThis: PAGE_FAULT },
  job_not_found: { title: 'There is no such job', doThis: 'It may have been removed since.' },
  job_not_cancellable: { title: 'The job has ended already', doThis: 'There is nothing left to cancel.' },
  idempotency_conflict: { title: 'The request was used before for another one', doThis: PAGE_FAULT },
  unauthorized: {
    title: 'The server wants an API key',
    doThis: 'Enter the key. Whoever runs the server has it.',
  },
  forbidden: {
    title: 'This is not allowed',
    doThis: 'Open the page under the server’s own address on its own machine, or use a key that allows it.',
  },
  internal_error: {
    title: 'A fault in Sightgate',
    doThis: 'Try again. If it stays, please report it with the line of this time in the server’s log.',
  },
  server_unreachable: {
    title: 'The server is gone',
    doThis: 'The page looks for it and goes on when it is back. Then run again.',
  },
  unexpected_answer: {
    title: 'Something unexpected happened',
    doThis: 'Try again. If there is a proxy between you and the server, look at what it says.',
  },
  file_too_large: {
    title: 'The file is too large for this server',
    doThis: 'Scale the image down or save it with more compression. Whoever runs the server can raise the limit.',
    isFinal: true,
  },
  file_not_readable: {
    title: 'The file cannot be read',
    doThis: 'It may have been moved or changed since you chose it. Add it again.',
    isFinal: true,
  },
};

const UNKNOWN: Advice = { title: 'It did not work', doThis: 'The message above says what is wrong.' };

/** Return what to tell a person of a failure. A code that the page does not know gets the server's message alone. */
export function adviceOn(failure: CallFailed): Advice {
  return (ADVICE as Record<string, Advice | undefined>)[failure.code] ?? UNKNOWN;
}
