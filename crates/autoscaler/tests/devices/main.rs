//! Dynamic resource allocation: new nodes bring devices, pods' claims are given them while decisions
//! are tried, nodes without theirs are not ready. Judged by the source of release 1.36.1, as upstream's
//! suites have these only as unit tests: each test names the file.

mod growing;
mod shrinking;
mod stage;
