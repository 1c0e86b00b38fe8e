import { Loading } from '../../components/Loading';

export default function JobsView() {
  return <Loading />;
}
