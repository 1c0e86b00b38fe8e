import { Text } from '@mantine/core';
import { useVirtualizer } from '@tanstack/react-virtual';
import { useEffect, useId, useMemo, useRef, useState } from 'react';
import type { KeyboardEvent } from 'react';

import classes from './FindingsTable.module.css';
import { detailOf, nameOf } from './findings';
import type { Finding } from './findings';

interface Props {
  findings: readonly Finding[];
  colourOf: (finding: Finding) => string;
  hovered: string | null;
  selected: string | null;
  onHover: (id: string | null) => void;
  onSelect: (id: string | null) => void;
}

const ROW_PX = 44;
const HEAD_PX = 34;
const PAGE_ROWS = 10;

type Order = 'place' | 'name' | 'score';
const COLUMNS: { order: Order; name: string }[] = [
  { order: 'name', name: 'What' },
  { order: 'score', name: 'Confidence' },
];

/** The findings as rows, of which thousands cost as little as those in sight. Arrow keys choose one. */
export function FindingsTable({ findings, colourOf, hovered, selected, onHover, onSelect }: Props) {
  const scroll = useRef<HTMLDivElement>(null);
  const prefix = useId();
  const [order, setOrder] = useState<Order>('place');
  const rows = useMemo(() => sorted(findings, order), [findings, order]);
  const at = rows.findIndex(({ id }) => id === selected);
  // The compiler of React leaves components with this hook alone, which is right: its rows change within.
  // eslint-disable-next-line react-hooks/incompatible-library
  const virtual = useVirtualizer({
    count: rows.length,
    getScrollElement: () => scroll.current,
    estimateSize: () => ROW_PX,
    overscan: 8,
    scrollPaddingStart: HEAD_PX,
  });

  useEffect(() => {
    if (at >= 0) virtual.scrollToIndex(at, { align: 'auto' });
  }, [at, virtual]);

  function onKeyDown(event: KeyboardEvent): void {
    if (event.target !== event.currentTarget) return;
    const to: Record<string, number> = {
      ArrowDown: at + 1,
      ArrowUp: at < 0 ? rows.length - 1 : at - 1,
      PageDown: at + PAGE_ROWS,
      PageUp: at - PAGE_ROWS,
      Home: 0,
      End: rows.length - 1,
    };
    const next = to[event.key];
    if (event.key === 'Escape') onSelect(null);
    else if (next === undefined) return;
    else onSelect(rows[Math.max(0, Math.min(rows.length - 1, next))]?.id ?? null);
    event.preventDefault();
  }

  return (
    <div
      ref={scroll}
      className={classes.table}
      role="grid"
      aria-label="Findings: arrow keys choose one"
      aria-rowcount={rows.length + 1}
      aria-colcount={2}
      tabIndex={0}
      aria-activedescendant={at >= 0 ? `${prefix}${at}` : undefined}
      onKeyDown={onKeyDown}
      onPointerLeave={() => onHover(null)}
    >
      <div role="rowgroup" className={classes.heads}>
        <div role="row" aria-rowindex={1} className={classes.head}>
          {COLUMNS.map((column) => (
            <div
              key={column.order}
              role="columnheader"
              aria-sort={order === column.order ? (column.order === 'score' ? 'descending' : 'ascending') : 'none'}
            >
              <button
                type="button"
                className={classes.sort}
                onClick={() => setOrder(order === column.order ? 'place' : column.order)}
              >
                {column.name}
                <span aria-hidden>{order === column.order ? (column.order === 'score' ? ' ↓' : ' ↑') : ''}</span>
              </button>
            </div>
          ))}
        </div>
      </div>
      <div role="rowgroup" style={{ height: virtual.getTotalSize(), position: 'relative' }}>
        {virtual.getVirtualItems().map(({ index, start }) => {
          const finding = rows[index];
          if (finding === undefined) return null;
          const detail = detailOf(finding);
          return (
            <div
              key={finding.id}
              id={`${prefix}${index}`}
              role="row"
              aria-rowindex={index + 2}
              aria-selected={finding.id === selected}
              className={classes.row}
              data-hovered={finding.id === hovered || undefined}
              style={{ height: ROW_PX, transform: `translateY(${start}px)` }}
              onPointerEnter={() => onHover(finding.id)}
              onClick={() => onSelect(finding.id === selected ? null : finding.id)}
            >
              <div role="gridcell" className={classes.what}>
                <span className={classes.dot} style={{ background: colourOf(finding) }} aria-hidden />
                <span className={classes.words}>
                  <span className={classes.name} title={nameOf(finding)}>
                    {nameOf(finding)}
                  </span>
                  <span className={classes.detail} title={detail}>
                    {detail || finding.plugin}
                  </span>
                </span>
              </div>
              <div role="gridcell" className={classes.score}>
                {finding.score === null ? (
                  <Text span c="dimmed" size="sm" aria-label="none">
                    –
                  </Text>
                ) : (
                  finding.score.toFixed(2)
                )}
              </div>
            </div>
          );
        })}
      </div>
    </div>
  );
}

function sorted(findings: readonly Finding[], order: Order): readonly Finding[] {
  if (order === 'place') return findings;
  const by: Record<'name' | 'score', (one: Finding, other: Finding) => number> = {
    name: (one, other) => nameOf(one).localeCompare(nameOf(other)),
    score: (one, other) => (other.score ?? -Infinity) - (one.score ?? -Infinity) || 0,
  };
  return [...findings].sort(by[order]);
}
