//! The cases: a name, a command line, and the bars.

/// A scenario with its bars.
#[derive(Clone, Copy, Debug)]
pub(super) struct Case {
    pub(super) name: &'static str,
    pub(super) command: &'static str,
    /// Counted, not timed: once is enough.
    pub(super) once: bool,
    /// What it is called, the figure's key, and its limit.
    pub(super) bars: &'static [(&'static str, &'static str, Limit)],
}

/// What a figure has to reach.
#[derive(Clone, Copy, Debug)]
pub(super) enum Limit {
    AtLeast(f64),
    AtMost(f64),
    Below(f64),
    /// At least this share of another case's figure.
    ShareOf(f64, &'static str, &'static str),
}

use Limit::{AtLeast, AtMost, Below, ShareOf};

const fn timed(
    name: &'static str,
    command: &'static str,
    bars: &'static [(&'static str, &'static str, Limit)],
) -> Case {
    Case { name, command, once: false, bars }
}

const fn counted(
    name: &'static str,
    command: &'static str,
    bars: &'static [(&'static str, &'static str, Limit)],
) -> Case {
    Case { name, command, once: true, bars }
}

/// What `make drill` plays.
pub(super) const SHORT: &[Case] = &[
    timed(
        "hot-postgres",
        "hot-event --start postgres --seconds 8 --warmup 2",
        &[
            ("bookings", "rate", AtLeast(15_000.0)),
            ("p99", "p99", Below(60.0)),
            ("× naive", "times_naive", AtLeast(10.0)),
        ],
    ),
    timed("hot-sqlite", "hot-event --start sqlite --seconds 6 --warmup 2", &[("bookings", "rate", AtLeast(10_000.0))]),
    timed("sold-out", "sold-out --start postgres --seconds 4 --warmup 1", &[("refusals", "rate", AtLeast(30_000.0))]),
    timed(
        "browse-event",
        "browse --what event --start sqlite --seconds 4 --warmup 1",
        &[("reads", "rate", AtLeast(30_000.0))],
    ),
    timed(
        "browse-availability",
        "browse --what availability --start sqlite --seconds 4 --warmup 1",
        &[("reads", "rate", AtLeast(30_000.0))],
    ),
    counted("race-sqlite", "race --start sqlite --clients 3000 --tickets 300", &[]),
    counted("race-two-servers", "race --start postgres --replicas 2 --clients 3000 --tickets 300 --quantity 2", &[]),
    counted(
        "mixed-two-servers",
        "race --mixed --start postgres --replicas 2 --tickets 300 --connections 100 --seconds 6",
        &[],
    ),
    counted("crash-sqlite", "crash --start sqlite --times 3", &[]),
    counted("crash-postgres", "crash --start postgres --times 3", &[]),
    counted(
        "idle",
        "idle --start sqlite --starts 3",
        &[
            ("memory, MB", "memory", Below(60.0)),
            ("ready", "ready", Below(300.0)),
            ("libraries beyond libc", "foreign", AtMost(0.0)),
        ],
    ),
];

/// Everything that has a bar.
pub(super) const FULL: &[Case] = &[
    timed(
        "hot-postgres",
        "hot-event --start postgres",
        &[
            ("bookings", "rate", AtLeast(15_000.0)),
            ("p99", "p99", Below(60.0)),
            ("× naive", "times_naive", AtLeast(10.0)),
        ],
    ),
    timed(
        "one-connection",
        "hot-event --start postgres --connections 1 --seconds 10",
        &[("× naive at one client", "times_naive", AtLeast(0.5))],
    ),
    timed("hot-sqlite", "hot-event --start sqlite", &[("bookings", "rate", AtLeast(10_000.0))]),
    timed(
        "thousand-connections",
        "hot-event --start postgres --connections 1000 --yardstick false",
        &[("p99", "p99", Below(150.0)), ("bookings, of those at 256", "rate", ShareOf(0.8, "hot-postgres", "rate"))],
    ),
    timed(
        "idempotency-keys",
        "hot-event --start postgres --idempotency --yardstick false",
        &[("bookings", "rate", AtLeast(12_000.0))],
    ),
    timed(
        "events-postgres",
        "hot-event --start postgres --events 200 --zipf",
        &[("share of one event", "share", AtLeast(60.0)), ("p99 coldest to hottest", "cold_to_hot", Below(2.0))],
    ),
    timed(
        "events-sqlite",
        "hot-event --start sqlite --events 200 --zipf",
        &[("share of one event", "share", AtLeast(60.0)), ("p99 coldest to hottest", "cold_to_hot", Below(2.0))],
    ),
    timed("sold-out", "sold-out --start postgres --seconds 10", &[("refusals", "rate", AtLeast(30_000.0))]),
    timed("browse-event", "browse --what event --start postgres --seconds 10", &[("reads", "rate", AtLeast(30_000.0))]),
    timed(
        "browse-availability",
        "browse --what availability --start postgres --seconds 10",
        &[("reads", "rate", AtLeast(30_000.0))],
    ),
    timed(
        "overload",
        "overload --start postgres",
        &[
            ("accepted, of the peak", "share", AtLeast(65.0)),
            ("p99 of the accepted", "p99", Below(500.0)),
            ("back to normal", "recovery", AtMost(2.0)),
        ],
    ),
    timed("churn", "hot-event --start postgres --churn", &[("share of the plain figure", "share", AtLeast(50.0))]),
    timed(
        "lapse",
        "hot-event --start postgres --lapse 100000",
        &[
            ("p99", "p99", Below(150.0)),
            ("share of the figure before", "share", AtLeast(50.0)),
            ("free again", "freed_in", AtMost(10.0)),
        ],
    ),
    timed(
        "million",
        "hot-event --start postgres --preload 1000000 --yardstick false",
        &[("share of the empty figure", "share", AtLeast(85.0))],
    ),
    counted(
        "lists",
        "lists --start postgres --connections 4 --seconds 10",
        &[("a buyer's list, p99", "mine_p99", Below(10.0)), ("an organizer's page, p99", "organizer_p99", Below(10.0))],
    ),
    timed(
        "watchers",
        "hot-event --start postgres --watchers 10000 --yardstick false",
        &[("share without watchers", "share", AtLeast(75.0)), ("memory each", "watcher_kb", Below(40.0))],
    ),
    timed(
        "idle",
        "idle --start sqlite",
        &[
            ("memory", "memory", Below(60.0)),
            ("ready", "ready", Below(300.0)),
            ("libraries beyond libc", "foreign", AtMost(0.0)),
        ],
    ),
    counted("race-sqlite", "race --start sqlite --times 5", &[]),
    counted("race-postgres", "race --start postgres --times 5", &[]),
    counted("race-two-servers", "race --start postgres --replicas 2 --times 5", &[]),
    counted("race-three-servers", "race --start postgres --replicas 3 --quantity 3 --times 5", &[]),
    counted("mixed-sqlite", "race --mixed --start sqlite --connections 100 --times 2", &[]),
    counted("mixed-three-servers", "race --mixed --start postgres --replicas 3 --connections 150 --times 2", &[]),
    counted("crash-sqlite", "crash --start sqlite --times 50", &[]),
    counted("crash-postgres", "crash --start postgres --times 50", &[]),
    counted("crash-database", "crash --kill postgres --start postgres --times 10", &[]),
    counted("pause", "crash --pause --start postgres", &[]),
];
