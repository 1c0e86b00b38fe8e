import { Loading } from '../../components/Loading';

export default function PluginsView() {
  return <Loading />;
}
