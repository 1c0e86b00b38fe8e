import { useParams, useRoute } from 'wouter';

import { BatchPage } from './BatchPage';
import { JobList } from './JobList';
import { JobPage } from './JobPage';

/** The list of jobs, one job, or one batch: as the address says. */
export default function JobsView() {
  const { id } = useParams<{ id?: string }>();
  const [isBatch] = useRoute('/batches/:id');
  if (id === undefined) return <JobList />;
  return isBatch ? <BatchPage id={id} /> : <JobPage id={id} />;
}
