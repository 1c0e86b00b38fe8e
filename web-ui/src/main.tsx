import '@mantine/core/styles.css';
import '@mantine/notifications/styles.css';
import './base.css';

import { MantineProvider } from '@mantine/core';
import { Notifications } from '@mantine/notifications';
import { QueryClientProvider } from '@tanstack/react-query';
import { setNonce } from 'get-nonce';
import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';

import { makeQueryClient, refreshOnReturn } from './api/queries';
import { Shell } from './shell/Shell';
import { theme } from './theme';

const queries = makeQueryClient();
refreshOnReturn(queries);

/** The policy takes style elements with the response's own nonce alone; the server has put it into the page. */
function nonce(): string {
  return document.querySelector<HTMLMetaElement>('meta[property="csp-nonce"]')?.nonce ?? '';
}

// Dialogs keep the page behind them from scrolling by a style element of a library beneath the components.
setNonce(nonce());

const root = document.getElementById('root');
if (root === null) throw new Error('the page has no #root');
createRoot(root).render(
  <StrictMode>
    <MantineProvider theme={theme} defaultColorScheme="auto" getStyleNonce={nonce}>
      <QueryClientProvider client={queries}>
        <Notifications position="bottom-right" />
        <Shell />
      </QueryClientProvider>
    </MantineProvider>
  </StrictMode>,
);
