import '@testing-library/jest-dom/vitest';

import { Blob, File } from 'node:buffer';

import { cleanup } from '@testing-library/react';
import { afterEach } from 'vitest';

// What jsdom lacks of a browser and the component library asks for when it is loaded or drawn.
window.matchMedia = (query) =>
  ({
    matches: false,
    media: query,
    addEventListener: () => undefined,
    removeEventListener: () => undefined,
  }) as unknown as MediaQueryList;
// Node's own are what its fetch takes, and can be read.
Object.assign(globalThis, { Blob, File });
window.ResizeObserver = class {
  observe() {}
  unobserve() {}
  disconnect() {}
};
window.scrollTo = () => undefined;
Element.prototype.scrollIntoView = () => undefined;

afterEach(cleanup);
