import '@testing-library/jest-dom/vitest';

import { Blob, File } from 'node:buffer';

import { cleanup, configure } from '@testing-library/react';
import { afterEach } from 'vitest';

// What jsdom lacks of a browser and the component library asks for when it is loaded or drawn.
window.matchMedia = (query) => {
  const never = new EventTarget() as MediaQueryList;
  return Object.assign(never, { matches: false, media: query, onchange: null });
};
// Node's own are what its fetch takes, and can be read.
Object.assign(globalThis, { Blob, File });
window.ResizeObserver = class {
  observe() {}
  unobserve() {}
  disconnect() {}
};
// There is no layout either: everything is as large as a window, so that lists show their first rows.
Object.defineProperties(HTMLElement.prototype, { offsetWidth: { value: 1024 }, offsetHeight: { value: 768 } });
// Drawing is looked at in a real browser (server/tests/page).
HTMLCanvasElement.prototype.getContext = () => null;
window.scrollTo = () => undefined;
Element.prototype.scrollIntoView = () => undefined;

// As long as a busy machine may take.
configure({ asyncUtilTimeout: 20_000 });

afterEach(cleanup);
