import { Loading } from '../../components/Loading';

export default function HealthView() {
  return <Loading />;
}
