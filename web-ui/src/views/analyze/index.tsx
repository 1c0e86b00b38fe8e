import { Title } from '@mantine/core';

export default function AnalyzeView() {
  return <Title order={1}>Analyze</Title>;
}
