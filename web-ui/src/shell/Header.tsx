import { IconActivityHeartbeat, IconListDetails, IconPhotoScan, IconPlug } from '@tabler/icons-react';
import { Link, useLocation } from 'wouter';

import { ColorSchemeSwitch } from './ColorSchemeSwitch';
import { Logo } from './Logo';
import classes from './Shell.module.css';

const VIEWS = [
  { to: '/', name: 'Analyze', icon: IconPhotoScan, below: ['/analyze'] },
  { to: '/jobs', name: 'Jobs', icon: IconListDetails, below: ['/jobs', '/batches'] },
  { to: '/plugins', name: 'Plugins', icon: IconPlug, below: ['/plugins'] },
  { to: '/status', name: 'Health', icon: IconActivityHeartbeat, below: ['/status'] },
];

/** The page's name, the way to the views, and the colour scheme. */
export function Header() {
  const [address] = useLocation();
  return (
    <header className={classes.header}>
      <Link to="/" className={classes.brand} aria-label="Sightgate">
        <Logo />
        <span>Sightgate</span>
      </Link>
      <nav className={classes.nav} aria-label="Views">
        {VIEWS.map(({ to, name, icon: Icon, below }) => {
          const here = address === to || below.some((start) => address === start || address.startsWith(`${start}/`));
          return (
            <Link key={to} to={to} className={classes.link} aria-current={here ? 'page' : undefined} title={name}>
              <Icon size={20} stroke={1.6} aria-hidden />
              <span>{name}</span>
            </Link>
          );
        })}
      </nav>
      <ColorSchemeSwitch />
    </header>
  );
}
