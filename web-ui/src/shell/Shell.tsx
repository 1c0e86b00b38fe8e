import { Suspense, lazy, useEffect, useRef } from 'react';
import type { RefObject } from 'react';
import { Route, Switch, useLocation } from 'wouter';

import { FailedView } from '../components/FailedView';
import { Loading } from '../components/Loading';

import { ConnectionBanner } from './ConnectionBanner';
import { Header } from './Header';
import { KeyPrompt } from './KeyPrompt';
import { NotFound } from './NotFound';
import classes from './Shell.module.css';

const AnalyzeView = lazy(() => import('../views/analyze'));
const JobsView = lazy(() => import('../views/jobs'));
const PluginsView = lazy(() => import('../views/plugins'));
const HealthView = lazy(() => import('../views/health'));

/** The frame around every view. The address chooses the view; the server answers all of these addresses with the page. */
export function Shell() {
  const [address] = useLocation();
  const main = useRef<HTMLElement>(null);
  useFocusOfNewView(address, main);
  return (
    <div className={classes.shell}>
      <a className="skip-link" href="#main">
        Skip to the content
      </a>
      <Header />
      <ConnectionBanner />
      <main ref={main} id="main" className={classes.main} tabIndex={-1}>
        <FailedView key={address}>
          <Suspense fallback={<Loading />}>
            <Switch>
              <Route path="/" component={AnalyzeView} />
              <Route path="/analyze" component={AnalyzeView} />
              <Route path="/jobs" component={JobsView} />
              <Route path="/jobs/:id" component={JobsView} />
              <Route path="/batches/:id" component={JobsView} />
              <Route path="/plugins" component={PluginsView} />
              <Route path="/plugins/:name" component={PluginsView} />
              <Route path="/status" component={HealthView} />
              <Route component={NotFound} />
            </Switch>
          </Suspense>
        </FailedView>
      </main>
      <KeyPrompt />
    </div>
  );
}

/** Put the focus where a new view begins, as loading a page does: what had it is gone, and the view is read aloud. */
function useFocusOfNewView(address: string, main: RefObject<HTMLElement | null>): void {
  const last = useRef(address);
  useEffect(() => {
    if (last.current !== address) main.current?.focus({ preventScroll: true });
    last.current = address;
  }, [address, main]);
}
