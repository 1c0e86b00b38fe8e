import { Alert, Text } from '@mantine/core';
import { IconAlertTriangle, IconBan, IconPower } from '@tabler/icons-react';

import type { PluginAnswer } from '../../api/schema';
import { duration } from '../../components/format';

/** Why a plugin cannot be called just now, and which inputs it refuses; nothing if all is well. */
export function Held({ plugin, brief = false }: { plugin: PluginAnswer; brief?: boolean }) {
  const { reason, enabled, health } = plugin;
  const quarantined = health.quarantined_inputs.length;
  const resting = health.breaker !== 'closed';
  if (reason === null && quarantined === 0 && !resting) return null;
  return (
    <>
      {!resting && reason !== null && (
        <Alert
          color={enabled ? 'orange' : 'gray'}
          variant="light"
          p="xs"
          icon={enabled ? <IconAlertTriangle size={18} aria-hidden /> : <IconPower size={18} aria-hidden />}
        >
          <Text size="sm" lineClamp={brief ? 3 : 20} style={{ overflowWrap: 'anywhere' }}>
            {reason}
          </Text>
        </Alert>
      )}
      {resting && (
        <Alert color="red" variant="light" p="xs" icon={<IconAlertTriangle size={18} aria-hidden />}>
          <Text size="sm">
            {health.breaker === 'open'
              ? `It rests because ${health.reason || 'its workers ended too often'}; a call may try again in ${duration(health.retry_after_s)}.`
              : 'One call may try now whether it works again.'}
          </Text>
        </Alert>
      )}
      {quarantined > 0 && (
        <Alert color="orange" variant="light" p="xs" icon={<IconBan size={18} aria-hidden />}>
          <Text size="sm">
            {quarantined === 1 ? 'One image' : `${quarantined} images`} that crashed it again and again{' '}
            {quarantined === 1 ? 'is' : 'are'} refused.
          </Text>
        </Alert>
      )}
    </>
  );
}
