import { Button, Group, Kbd, Stack, Text, Title } from '@mantine/core';
import { IconCamera, IconPhotoPlus } from '@tabler/icons-react';

import astronaut from '../../../../examples/images/astronaut.jpg';
import qrCode from '../../../../examples/images/qr-code.png';
import receipt from '../../../../examples/images/receipt.jpg';
import classes from './Analyze.module.css';
import astronautSmall from './samples/astronaut.jpg';
import qrCodeSmall from './samples/qr-code.jpg';
import receiptSmall from './samples/receipt.jpg';

const SAMPLES = [
  { name: 'receipt.jpg', address: receipt, small: receiptSmall, words: 'A receipt' },
  { name: 'qr-code.png', address: qrCode, small: qrCodeSmall, words: 'A QR code' },
  { name: 'astronaut.jpg', address: astronaut, small: astronautSmall, words: 'A portrait' },
];

interface Props {
  onPick: () => void;
  onCamera: () => void;
  onFiles: (files: File[]) => void;
}

/** What stands in the image's place before there is one. */
export function Start({ onPick, onCamera, onFiles }: Props) {
  async function take({ name, address }: (typeof SAMPLES)[number]): Promise<void> {
    const answer = await fetch(address);
    const content = await answer.blob();
    onFiles([new File([content], name, { type: content.type })]);
  }
  return (
    <div className={classes.start}>
      <Stack align="center" gap="lg">
        <IconPhotoPlus size={56} stroke={1.1} className={classes.startIcon} aria-hidden />
        <Stack gap={4} align="center">
          <Title order={2} size="h3" ta="center">
            Drop images here
          </Title>
          <Text c="dimmed" size="sm" ta="center">
            or paste them with <Kbd>Ctrl</Kbd> <Kbd>V</Kbd>. JPEG, PNG, WebP, BMP, GIF and TIFF; as many as you like.
          </Text>
        </Stack>
        <Group justify="center">
          <Button leftSection={<IconPhotoPlus size={18} aria-hidden />} onClick={onPick}>
            Choose images
          </Button>
          <Button variant="default" leftSection={<IconCamera size={18} aria-hidden />} onClick={onCamera}>
            Use the camera
          </Button>
        </Group>
        <Stack gap="xs" align="center">
          <Text size="sm" c="dimmed">
            Nothing at hand? Take one of these:
          </Text>
          <Group gap="sm" justify="center">
            {SAMPLES.map((sample) => (
              <button key={sample.name} type="button" className={classes.sample} onClick={() => void take(sample)}>
                <img src={sample.small} alt="" width={72} height={72} />
                <span>{sample.words}</span>
              </button>
            ))}
          </Group>
        </Stack>
      </Stack>
    </div>
  );
}
