import { Code, Group, SegmentedControl, Text } from '@mantine/core';
import { useState } from 'react';

import { useKey } from '../api/key';
import { Copy } from '../components/Copy';
import { asCurl, asPython } from '../snippets/snippets';
import type { Layer } from './layers';
import classes from './Results.module.css';

/** The call that made a result, to be copied into a terminal or a program. */
export function CallPanel({ layer, name, mimeType }: { layer: Layer; name: string; mimeType: string }) {
  const [language, setLanguage] = useState('curl');
  const withKey = useKey(({ key }) => key !== null);
  const { plugin, options } = layer;
  const call = { origin: window.location.origin, plugin, options, file: name, mimeType, withKey };
  const text = language === 'curl' ? asCurl(call) : asPython(call);
  return (
    <div className={classes.padded}>
      <Group justify="space-between" mb="sm">
        <SegmentedControl
          size="xs"
          value={language}
          onChange={setLanguage}
          data={[
            { value: 'curl', label: 'curl' },
            { value: 'python', label: 'Python' },
          ]}
          aria-label="Language"
        />
        <Copy text={text} />
      </Group>
      <Code block tabIndex={0} className={classes.code}>
        {text}
      </Code>
      <Text size="xs" c="dimmed" mt="xs">
        Run it where the image lies.{withKey && ' The key is taken from SIGHTGATE_API_KEY in your environment.'}
      </Text>
    </div>
  );
}
