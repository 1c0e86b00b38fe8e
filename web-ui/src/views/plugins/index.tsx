import { useParams } from 'wouter';

import { PluginList } from './PluginList';
import { PluginPage } from './PluginPage';

/** All plugins, or the one that the address names. */
export default function PluginsView() {
  const { name } = useParams<{ name?: string }>();
  return name === undefined ? <PluginList /> : <PluginPage name={name} />;
}
