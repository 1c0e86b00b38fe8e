import { Loader } from '@mantine/core';

import { useConnection } from '../api/connection';
import classes from './Shell.module.css';

/** Says that the server is gone, while it is. */
export function ConnectionBanner() {
  const down = useConnection((connection) => connection.state === 'down');
  return (
    <div role="status">
      {down && (
        <div className={classes.banner}>
          <Loader size="xs" color="currentColor" aria-hidden />
          <span>
            <strong>The server does not answer.</strong> Looking for it; the page goes on by itself when it is back.
          </span>
        </div>
      )}
    </div>
  );
}
