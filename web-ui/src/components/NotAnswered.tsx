import { asFailure } from '../api/failure';
import { ErrorMessage } from './ErrorMessage';

interface Props {
  failure: unknown;
  onRetry: () => void;
}

/** Why something cannot be shown. It is asked for again only where that can help: what is not there stays so. */
export function NotAnswered({ failure, onRetry }: Props) {
  return <ErrorMessage failure={failure} onRetry={asFailure(failure).isRetryable ? onRetry : undefined} />;
}
