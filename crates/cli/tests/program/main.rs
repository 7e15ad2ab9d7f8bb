//! The program as its users see it: what it prints, how it exits, what it leaves on the disk.

mod bad_databases;
mod documents;
mod histories;
mod killed_import;
mod pipes;
mod plans;
mod replays;
mod run;
mod schedules;
mod transcripts;
