import { useEffect, useState } from 'react';

import { decode, release } from './picture';
import type { NotShown, Picture } from './picture';

interface Decoded {
  file: Blob;
  outcome: Picture | NotShown;
}

/** Return an image as it can be drawn, why it cannot, or null while it is decoded. Its memory is freed afterwards. */
export function usePicture(file: Blob | null): Picture | NotShown | null {
  const [decoded, setDecoded] = useState<Decoded | null>(null);
  useEffect(() => {
    if (file === null) return undefined;
    let left = false;
    let held: Picture | NotShown | null = null;
    void decode(file).then((outcome) => {
      if (left) free(outcome);
      else setDecoded({ file, outcome: (held = outcome) });
    });
    return () => {
      left = true;
      free(held);
    };
  }, [file]);
  return decoded !== null && decoded.file === file ? decoded.outcome : null;
}

function free(outcome: Picture | NotShown | null): void {
  if (outcome !== null && typeof outcome !== 'string') release(outcome);
}
