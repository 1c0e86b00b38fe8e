import { nameOf } from '../results/findings';
import type { Finding, Point } from '../results/findings';
import type { Analyzed } from './table';

/** COCO's format for object detection and keypoints (cocodataset.org/#format-data); what it has no place for is in `attributes`. */
export interface Coco {
  info: { description: string; version: string };
  images: CocoImage[];
  categories: CocoCategory[];
  annotations: CocoAnnotation[];
}

interface CocoImage {
  id: number;
  file_name: string;
  width: number;
  height: number;
  /** Labels of the whole image, for which COCO has no annotation. */
  labels: { label: string; score: number | null; plugin: string }[];
}

interface CocoCategory {
  id: number;
  name: string;
  supercategory: string;
  keypoints?: string[];
  skeleton?: [number, number][];
}

export interface CocoAnnotation {
  id: number;
  image_id: number;
  category_id: number;
  bbox: [x: number, y: number, width: number, height: number];
  area: number;
  segmentation: number[][];
  iscrowd: 0;
  score?: number;
  keypoints?: number[];
  num_keypoints?: number;
  attributes: Record<string, unknown>;
}

const VISIBLE = 2;

/** Return images and findings as one COCO document. The size of an image that was not shown is that of its findings. */
export function toCoco(images: readonly Analyzed[]): Coco {
  const categories = new Map<string, CocoCategory>();
  const document: Coco = {
    info: { description: 'Made by Sightgate', version: '1.0' },
    images: [],
    categories: [],
    annotations: [],
  };
  images.forEach((image, index) => {
    document.images.push(cocoImage(image, index + 1));
    for (const finding of image.findings) {
      if (finding.bounds === null) continue;
      const category = categoryOf(finding, categories);
      document.annotations.push(annotation(finding, document.annotations.length + 1, index + 1, category.id));
    }
  });
  document.categories = [...categories.values()];
  return document;
}

function cocoImage(image: Analyzed, id: number): CocoImage {
  const ends = image.findings.flatMap(({ bounds }) => (bounds === null ? [] : [bounds]));
  const labels = image.findings.filter(({ kind }) => kind === 'label');
  return {
    id,
    file_name: image.name,
    width: image.width ?? Math.ceil(Math.max(0, ...ends.map(({ x, width }) => x + width))),
    height: image.height ?? Math.ceil(Math.max(0, ...ends.map(({ y, height }) => y + height))),
    labels: labels.map(({ label, score, plugin }) => ({ label: label ?? '', score, plugin })),
  };
}

function categoryOf(finding: Finding, known: Map<string, CocoCategory>): CocoCategory {
  const name = finding.kind === 'text' ? 'text' : (finding.label ?? nameOf(finding));
  const points = finding.keypoints.map((point, index) => point.name ?? `point ${index + 1}`);
  const key = JSON.stringify([finding.plugin, name, points]);
  const there = known.get(key);
  if (there !== undefined) return there;
  const made: CocoCategory = { id: known.size + 1, name, supercategory: finding.plugin };
  if (points.length > 0) Object.assign(made, { keypoints: points, skeleton: [] });
  known.set(key, made);
  return made;
}

function annotation(finding: Finding, id: number, imageId: number, categoryId: number): CocoAnnotation {
  const { x, y, width, height } = finding.bounds ?? { x: 0, y: 0, width: 0, height: 0 };
  const made: CocoAnnotation = {
    id,
    image_id: imageId,
    category_id: categoryId,
    bbox: [x, y, width, height],
    area: finding.outline.length > 0 ? area(finding.outline) : width * height,
    segmentation: finding.outline.length > 2 ? [finding.outline.flatMap((point) => [point.x, point.y])] : [],
    iscrowd: 0,
    attributes: { kind: finding.kind, path: finding.path, ...finding.beside },
  };
  if (finding.text !== null) made.attributes.text = finding.text;
  if (finding.score !== null) made.score = finding.score;
  if (finding.keypoints.length > 0) {
    made.keypoints = finding.keypoints.flatMap((point) => [point.x, point.y, VISIBLE]);
    made.num_keypoints = finding.keypoints.length;
  }
  return made;
}

/** Return the area within an outline, in square pixels (shoelace formula). */
export function area(outline: readonly Point[]): number {
  let doubled = 0;
  outline.forEach((point, index) => {
    const next = outline[(index + 1) % outline.length] ?? point;
    doubled += point.x * next.y - next.x * point.y;
  });
  return Math.abs(doubled) / 2;
}
