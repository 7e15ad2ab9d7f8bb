//! Replays a source under strategies: the library behind `plimsoll replay`.

use std::collections::BTreeMap;
use std::path::Path;

use plimsoll_autoscaler::NodeAutoscaler;
use plimsoll_autoscaler::cluster_autoscaler::MissingPrice;
use plimsoll_autoscaler::settings::{SettingError, Settings};
use plimsoll_core::objects::{Snapshot, SnapshotWarning};
use plimsoll_core::{Cluster, SimDuration, SimTime};
use plimsoll_history::{History, HistoryError};
use plimsoll_sim::{World, WorldSettings};
use rayon::prelude::*;
use serde_json::Value;
use thiserror::Error;

use crate::accounts::{self, Heading};
use crate::driver::{self, Course, DriveError};
use crate::ledger::Ledger;
use crate::priorities::priorities_of;
use crate::recording::{self, Recording, RecordingError};
use crate::relive;
use crate::report::{Backtest, ClusterSnapshot, ReplayReport};
use crate::scale_ups;
use crate::source::{self, SourceError};
use crate::strategy::{self, Strategy};
use crate::view::{Surroundings, cluster_view};

/// Replays one source: a recording or a scenario.
#[derive(Debug)]
pub struct Replayer {
    name: String,
    source: Source,
    /// Things about the source that a reader of the report should know.
    warnings: Vec<String>,
}

#[derive(Debug)]
enum Source {
    History(Box<History>),
    Scenario(Box<Snapshot>),
}

/// What to replay, and how.
#[derive(Clone, Debug, Default)]
pub struct ReplayOptions {
    /// From when on; `None`: from the beginning.
    pub from: Option<SimTime>,
    /// Until when; `None`: to the end.
    pub to: Option<SimTime>,
    /// Flags of Cluster Autoscaler that take the place of the source's own.
    pub settings: BTreeMap<String, Value>,
    /// The seed; `None`: the scenario's, or 1.
    pub seed: Option<u64>,
    /// The length of one batch of deployed pods; `None`: the scan interval.
    pub batch_interval: Option<SimDuration>,
}

/// A replay that cannot be done.
#[derive(Debug, Error)]
pub enum ReplayError {
    /// The scenario file cannot be used.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The history cannot be used.
    #[error(transparent)]
    History(#[from] HistoryError),
    /// The history's objects cannot be relived.
    #[error(transparent)]
    Recording(#[from] RecordingError),
    /// The file holds a cluster, but says not what happens to it.
    #[error("{path}: no Scenario document: it says not from when on and for how long to replay")]
    NoScenario {
        /// The file.
        path: String,
    },
    /// There is nothing that could be scaled.
    #[error(
        "{path}: no NodeGroup: there is nothing to scale; give node groups with --groups when importing, or as documents of the scenario"
    )]
    NoGroups {
        /// The file.
        path: String,
    },
    /// The window is empty or outside of the source.
    #[error("{path}: nothing to replay between {from} and {to}: it covers {start} to {end}")]
    Window {
        /// The file.
        path: String,
        /// The start asked for.
        from: SimTime,
        /// The end asked for.
        to: SimTime,
        /// The start of the source.
        start: SimTime,
        /// The end of the source.
        end: SimTime,
    },
    /// A flag is unknown or wrong.
    #[error("{origin}: AutoscalerSettings: {error}")]
    Settings {
        /// Where the flags are.
        origin: String,
        /// What is wrong.
        error: SettingError,
    },
    /// Only a recording tells what happened.
    #[error("{path}: strategy recorded needs a recording, and this is a scenario")]
    NothingRecorded {
        /// The file.
        path: String,
    },
    /// A strategy needs a price that is not known.
    #[error("{path}: {error}")]
    Price {
        /// The file.
        path: String,
        /// Which price.
        error: MissingPrice,
    },
    /// A strategy broke a rule.
    #[error(transparent)]
    Drive(#[from] DriveError),
}

/// Tells how far each of several replays has come. The arguments are the strategy's place in the
/// list and the instant it has reached.
pub type Progress<'a> = dyn Fn(usize, SimTime) + Sync + 'a;

/// The first bytes of every SQLite file.
const SQLITE_MAGIC: &[u8] = b"SQLite format 3\0";

impl Replayer {
    /// Opens a history database or a scenario file.
    ///
    /// # Errors
    /// When the file cannot be read or is neither.
    pub fn open(path: impl AsRef<Path>) -> Result<Replayer, ReplayError> {
        let path = path.as_ref();
        let name = path.display().to_string();
        if is_database(path) {
            let history = History::open(path)?;
            let source = Source::History(Box::new(history));
            return Ok(Replayer { name, source, warnings: Vec::new() });
        }
        let (snapshot, warnings) = source::load(path)?;
        if snapshot.scenario.is_none() {
            return Err(ReplayError::NoScenario { path: name });
        }
        let warnings = warnings.iter().map(SnapshotWarning::to_string).collect();
        Ok(Replayer { name, source: Source::Scenario(Box::new(snapshot)), warnings })
    }

    /// A scenario that is in memory already.
    ///
    /// # Errors
    /// [`ReplayError::NoScenario`] when it has no Scenario document.
    pub fn of_scenario(name: &str, snapshot: Snapshot) -> Result<Replayer, ReplayError> {
        if snapshot.scenario.is_none() {
            return Err(ReplayError::NoScenario { path: name.to_owned() });
        }
        let source = Source::Scenario(Box::new(snapshot));
        Ok(Replayer { name: name.to_owned(), source, warnings: Vec::new() })
    }

    /// What a user should know of the source before reading a report, one sentence each.
    #[must_use]
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Whether the source is a recording.
    #[must_use]
    pub fn is_recording(&self) -> bool {
        matches!(self.source, Source::History(_))
    }

    /// When the source begins.
    #[must_use]
    pub fn record_start_time(&self) -> SimTime {
        match &self.source {
            Source::History(history) => history.start(),
            Source::Scenario(snapshot) => {
                snapshot.scenario.as_ref().map_or(SimTime::default(), |one| one.start)
            }
        }
    }

    /// When the source ends.
    #[must_use]
    pub fn record_end_time(&self) -> SimTime {
        match &self.source {
            Source::History(history) => history.end(),
            Source::Scenario(snapshot) => snapshot
                .scenario
                .as_ref()
                .map_or(SimTime::default(), |one| one.start + one.duration),
        }
    }

    /// The cluster as of `time`. A scenario tells it for its start only: afterwards it depends on
    /// who scales.
    ///
    /// # Errors
    /// When the history cannot be read.
    pub fn cluster_at(&self, time: SimTime) -> Result<ClusterSnapshot, ReplayError> {
        let (world, surroundings) = match &self.source {
            Source::Scenario(snapshot) => {
                let settings = WorldSettings::of_snapshot(snapshot, 1);
                let world = World::from_snapshot(snapshot, settings, self.record_start_time());
                (world, surroundings_of(snapshot, BTreeMap::new()))
            }
            Source::History(history) => {
                let recording = recording::read(history, time, time)?;
                let mut surroundings = surroundings_of(&recording.snapshot, BTreeMap::new());
                surroundings.worker_pools.clone_from(&recording.worker_pools);
                surroundings.machine_deployments.clone_from(&recording.machine_deployments);
                (relive::world_as_recorded(&recording, 1, time), surroundings)
            }
        };
        Ok(cluster_view(&world.cluster, &surroundings))
    }

    /// Replays from the start for `duration` under `strategy`.
    ///
    /// # Errors
    /// As [`Replayer::replay`].
    pub fn play_back(
        &mut self,
        duration: SimDuration,
        batch_interval: SimDuration,
        strategy: Strategy,
    ) -> Result<ReplayReport, ReplayError> {
        let options = ReplayOptions {
            to: Some(self.record_start_time() + duration),
            batch_interval: Some(batch_interval),
            ..ReplayOptions::default()
        };
        let mut reports = self.replay(&[strategy], &options, &|_, _| {})?;
        Ok(reports.pop().expect("one strategy gives one report"))
    }

    /// Lives through the window once for each strategy, and reports on each, in this order. Runs are
    /// independent and use all cores.
    ///
    /// # Errors
    /// When the source cannot be relived, the window is empty, a setting is wrong, or a strategy
    /// breaks an invariant.
    pub fn replay(
        &self,
        strategies: &[Strategy],
        options: &ReplayOptions,
        progress: &Progress<'_>,
    ) -> Result<Vec<ReplayReport>, ReplayError> {
        let stage = self.stage(options)?;
        let mut reports: Vec<ReplayReport> = strategies
            .par_iter()
            .enumerate()
            .map(|(place, strategy)| {
                self.run(&stage, *strategy, options, &mut |at| progress(place, at))
            })
            .collect::<Result<_, _>>()?;
        if let Some(backtest) = self.backtest(&stage, strategies, &reports)? {
            for report in &mut reports {
                report.backtest = Some(backtest);
            }
        }
        Ok(reports)
    }

    /// One scenario per burst of recorded scale-ups: what `strategy` makes of the state in which the
    /// recorded autoscaler decided.
    ///
    /// # Errors
    /// As [`Replayer::replay`]; and when the source is not a recording.
    pub fn replay_scale_ups(
        &self,
        strategies: &[Strategy],
        options: &ReplayOptions,
    ) -> Result<Vec<ReplayReport>, ReplayError> {
        let stage = self.stage(options)?;
        let (Source::History(history), Some(recording)) = (&self.source, &stage.recording) else {
            return Err(ReplayError::NothingRecorded { path: self.name.clone() });
        };
        strategies
            .par_iter()
            .map(|strategy| {
                let bursts = scale_ups::replay(
                    history,
                    recording,
                    *strategy,
                    &stage.settings,
                    &stage.window,
                )?;
                let mut world = relive::world_as_recorded(recording, stage.seed, stage.window.from);
                let mut ledger = Ledger::open(&mut world, stage.window.from);
                let start_view = cluster_view(&world.cluster, &stage.surroundings);
                ledger.close(&mut world, stage.window.from);
                let heading = Heading {
                    source: self.name.clone(),
                    strategy: strategy.as_str().to_owned(),
                    seed: stage.seed,
                    end: stage.window.to,
                    batch_interval: stage.batch_interval,
                    end_view: start_view.clone(),
                    start_view,
                    machines_are_known: stage.has_nodes(),
                    assumptions: scale_ups::assumptions(),
                };
                Ok(scale_ups::report(&ledger, &mut world.cluster, heading, bursts))
            })
            .collect()
    }

    /// Lives through the window under one strategy and gives the books instead of a report.
    ///
    /// # Errors
    /// As [`Replayer::replay`].
    pub fn play(
        &self,
        strategy: Strategy,
        options: &ReplayOptions,
    ) -> Result<(Ledger, Cluster), ReplayError> {
        let stage = self.stage(options)?;
        let mut world = self.world(&stage, strategy)?;
        let mut ledger = Ledger::open(&mut world, stage.window.from);
        let autoscaler = strategy.build(&stage.settings, stage.seed);
        live_through(&mut world, autoscaler, &stage, &mut ledger, &mut |_| {})?;
        Ok((ledger, world.cluster))
    }

    /// What is the same for every strategy.
    fn stage(&self, options: &ReplayOptions) -> Result<Stage, ReplayError> {
        let window = self.window(options)?;
        let (recording, flags, groups) = match &self.source {
            Source::History(history) => {
                let recording = recording::read(history, window.from, window.to)?;
                let flags = recording.snapshot.settings.clone().unwrap_or_default();
                let groups = recording.snapshot.groups.len();
                (Some(recording), flags, groups)
            }
            Source::Scenario(snapshot) => {
                (None, snapshot.settings.clone().unwrap_or_default(), snapshot.groups.len())
            }
        };
        if groups == 0 {
            return Err(ReplayError::NoGroups { path: self.name.clone() });
        }
        let mut merged = flags;
        merged.extend(options.settings.clone());
        let mut settings = strategy::settings_of(&merged)
            .map_err(|error| ReplayError::Settings { origin: self.name.clone(), error })?;
        let snapshot = match (&self.source, &recording) {
            (Source::Scenario(snapshot), _) => snapshot.as_ref(),
            (Source::History(_), recording) => {
                &recording.as_ref().expect("a history was read as a recording").snapshot
            }
        };
        let (priorities, problem) = priorities_of(&snapshot.others);
        settings.priorities = priorities;
        settings.priorities_problem.clone_from(&problem);
        let mut surroundings = surroundings_of(snapshot, merged);
        if let Some(recording) = &recording {
            surroundings.worker_pools.clone_from(&recording.worker_pools);
            surroundings.machine_deployments.clone_from(&recording.machine_deployments);
        }
        let scenario_seed = snapshot.scenario.as_ref().map(|scenario| scenario.seed);
        Ok(Stage {
            seed: options.seed.or(scenario_seed).unwrap_or(1),
            batch_interval: options.batch_interval.unwrap_or(settings.scan_interval),
            window,
            recording,
            settings,
            surroundings,
            problem,
        })
    }

    fn window(&self, options: &ReplayOptions) -> Result<Window, ReplayError> {
        let (start, end) = (self.record_start_time(), self.record_end_time());
        let from = options.from.unwrap_or(start);
        let to = options.to.unwrap_or(end).min(end);
        // A scenario can only be begun at its beginning: what happens before decides what is there.
        let begins_inside = from >= start && (self.is_recording() || from == start);
        if from >= to || !begins_inside {
            let path = self.name.clone();
            return Err(ReplayError::Window { path, from, to, start, end });
        }
        Ok(Window { from, to })
    }

    fn run(
        &self,
        stage: &Stage,
        strategy: Strategy,
        options: &ReplayOptions,
        progress: &mut dyn FnMut(SimTime),
    ) -> Result<ReplayReport, ReplayError> {
        let autoscaler = strategy.build(&stage.settings, stage.seed);
        Ok(self.run_by(stage, strategy, autoscaler, options, progress)?.report)
    }

    /// As [`Replayer::replay`] for one strategy, with an autoscaler of the caller's own making in
    /// its place, and all that is there at the end.
    pub(crate) fn replay_by(
        &self,
        strategy: Strategy,
        build: impl FnOnce(&Settings, u64) -> Box<dyn NodeAutoscaler>,
    ) -> Result<Played, ReplayError> {
        let options = ReplayOptions::default();
        let stage = self.stage(&options)?;
        let autoscaler = build(&stage.settings, stage.seed);
        self.run_by(&stage, strategy, Some(autoscaler), &options, &mut |_| {})
    }

    fn run_by(
        &self,
        stage: &Stage,
        strategy: Strategy,
        autoscaler: Option<Box<dyn NodeAutoscaler>>,
        options: &ReplayOptions,
        progress: &mut dyn FnMut(SimTime),
    ) -> Result<Played, ReplayError> {
        let mut world = self.world(stage, strategy)?;
        let window = &stage.window;
        let mut ledger = Ledger::open(&mut world, window.from);
        let start_view = cluster_view(&world.cluster, &stage.surroundings);
        live_through(&mut world, autoscaler, stage, &mut ledger, progress)?;
        let heading = Heading {
            source: self.name.clone(),
            strategy: strategy.as_str().to_owned(),
            seed: stage.seed,
            end: window.to,
            batch_interval: options.batch_interval.unwrap_or(stage.batch_interval),
            end_view: cluster_view(&world.cluster, &stage.surroundings),
            start_view,
            machines_are_known: strategy != Strategy::Recorded || stage.has_nodes(),
            assumptions: self.assumptions(stage, strategy),
        };
        let report = accounts::report(&ledger, &mut world.cluster, heading);
        Ok(Played { report, ledger, world })
    }

    fn world(&self, stage: &Stage, strategy: Strategy) -> Result<World, ReplayError> {
        let from = stage.window.from;
        let world = match (&self.source, &stage.recording, strategy) {
            (Source::Scenario(_), _, Strategy::Recorded) => {
                return Err(ReplayError::NothingRecorded { path: self.name.clone() });
            }
            (Source::Scenario(snapshot), _, _) => {
                let settings = WorldSettings::of_snapshot(snapshot, stage.seed);
                World::from_snapshot(snapshot, settings, from)
            }
            (Source::History(_), Some(recording), Strategy::Recorded) => {
                relive::world_as_recorded(recording, stage.seed, from)
            }
            (Source::History(_), Some(recording), _) => {
                relive::world_to_scale(recording, stage.seed, from)
            }
            (Source::History(_), None, _) => unreachable!("a history is read as a recording"),
        };
        strategy
            .check(&stage.settings, &world.cluster)
            .map_err(|error| ReplayError::Price { path: self.name.clone(), error })?;
        Ok(world)
    }

    /// How closely Cluster Autoscaler's rules under the recorded settings tell what was recorded;
    /// `None` where nothing was recorded or they did not run.
    fn backtest(
        &self,
        stage: &Stage,
        strategies: &[Strategy],
        reports: &[ReplayReport],
    ) -> Result<Option<Backtest>, ReplayError> {
        let Some(recording) = &stage.recording else { return Ok(None) };
        let place = strategies.iter().position(|one| *one == Strategy::ClusterAutoscaler);
        let Some(replayed) = place.map(|place| &reports[place]) else { return Ok(None) };
        let recorded = strategies.iter().position(|one| *one == Strategy::Recorded);
        let window = &stage.window;
        let computed;
        let recorded = match recorded {
            Some(place) => &reports[place],
            None => {
                let options = ReplayOptions::default();
                computed = self.run(stage, Strategy::Recorded, &options, &mut |_| {})?;
                &computed
            }
        };
        Ok(Some(crate::backtesting::backtest(
            recording,
            recorded,
            replayed,
            window.from,
            window.to,
        )))
    }

    fn assumptions(&self, stage: &Stage, strategy: Strategy) -> Vec<String> {
        let mut stated = self.warnings.clone();
        stated.extend(stage.problem.clone());
        stated.push(format!(
            "Among nodes of equal score a pod goes to the first in an order drawn from the seed ({}).",
            stage.seed
        ));
        let features = self.unjudged_features(stage);
        if !features.is_empty() {
            stated.push(format!("Not judged by this release: {}.", features.join(", ")));
        }
        let Some(recording) = &stage.recording else { return stated };
        if strategy == Strategy::Recorded && !stage.has_nodes() {
            stated
                .push("The recording has no nodes, so it has neither node-hours nor cost.".into());
        }
        let homeless = recording
            .pods
            .iter()
            .any(|pod| matches!(&pod.bound, Some((at, None)) if *at <= stage.window.from));
        if strategy != Strategy::Recorded && homeless {
            stated.push(
                "Pods that ran at the start on nodes the recording does not name were packed, \
                 largest first, onto machines of the cheapest group that they fit."
                    .into(),
            );
        }
        if recording.settings_changed {
            stated.push("The autoscaler's settings are those of the start of the window.".into());
        }
        stated
    }

    fn unjudged_features(&self, stage: &Stage) -> Vec<String> {
        let mut features = std::collections::BTreeSet::new();
        let mut note = |spec: &plimsoll_core::PodSpec| {
            features.extend(spec.unjudged_features.iter().cloned());
        };
        match (&self.source, &stage.recording) {
            (Source::Scenario(snapshot), _) => {
                snapshot.pods.iter().for_each(|pod| note(&pod.spec));
                snapshot.workloads.iter().filter_map(|one| one.template.as_ref()).for_each(note);
            }
            (_, Some(recording)) => recording.pods.iter().for_each(|pod| note(&pod.object.spec)),
            (_, None) => {}
        }
        features.into_iter().collect()
    }
}

/// A replay that is over, with its books and its world.
pub(crate) struct Played {
    /// What users are told.
    pub(crate) report: ReplayReport,
    /// What it was made from.
    pub(crate) ledger: Ledger,
    /// The world at the end.
    pub(crate) world: World,
}

/// Drives a world through the window under an autoscaler, or under none.
fn live_through(
    world: &mut World,
    mut autoscaler: Option<Box<dyn NodeAutoscaler>>,
    stage: &Stage,
    ledger: &mut Ledger,
    progress: &mut dyn FnMut(SimTime),
) -> Result<(), DriveError> {
    let flags = autoscaler.as_ref().and_then(|one| one.limits());
    let course = Course {
        start: stage.window.from,
        end: stage.window.to,
        scan_interval: stage.settings.scan_interval,
        frequent_loops: flags.is_some_and(|flags| flags.frequent_loops_enabled),
    };
    let scaled_by = autoscaler.as_deref_mut().map(|one| one as _);
    driver::drive(world, scaled_by, &course, ledger, progress)
}

/// What is the same for every strategy.
struct Stage {
    window: Window,
    recording: Option<Recording>,
    settings: Settings,
    surroundings: Surroundings,
    seed: u64,
    batch_interval: SimDuration,
    /// What is wrong with the source without keeping it from being replayed.
    problem: Option<String>,
}

impl Stage {
    /// Whether the source tells of nodes; a trace may tell of pods only.
    fn has_nodes(&self) -> bool {
        self.recording.as_ref().is_none_or(|recording| !recording.nodes.is_empty())
    }
}

/// The window that is replayed: from an instant up to, not including, another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// The first instant.
    pub from: SimTime,
    /// The instant at which it is over.
    pub to: SimTime,
}

fn surroundings_of(snapshot: &Snapshot, settings: BTreeMap<String, Value>) -> Surroundings {
    Surroundings {
        priority_classes: snapshot.priority_classes.clone(),
        settings,
        ..Surroundings::default()
    }
}

/// Whether a file is a history, by its first bytes or, when they cannot be read, by its name.
#[must_use]
pub fn is_database(path: &Path) -> bool {
    use std::io::Read;
    let mut magic = [0; SQLITE_MAGIC.len()];
    let read = std::fs::File::open(path).and_then(|mut file| file.read_exact(&mut magic));
    let named_so = path.extension().is_some_and(|one| one == "db" || one == "sqlite");
    (read.is_ok() && magic == SQLITE_MAGIC) || named_so
}

/// The flags of an `AutoscalerSettings` document, or of a bare map of flags.
///
/// # Errors
/// When the file cannot be read or holds something else.
pub fn load_settings(path: &Path) -> Result<BTreeMap<String, Value>, ReplayError> {
    let name = path.display().to_string();
    let text = source::read_text(path)?;
    let documents = source::documents(&name, &text)?;
    let wrong = || SourceError::NotSettings { file: name.clone() };
    let [document] = documents.as_slice() else { return Err(wrong().into()) };
    let flags = match document.get("kind").and_then(Value::as_str) {
        Some("AutoscalerSettings") => document.get("spec").unwrap_or(&Value::Null),
        Some(_) => return Err(wrong().into()),
        None => document,
    };
    let flags = flags.as_object().ok_or_else(wrong)?;
    Ok(flags.iter().map(|(key, value)| (key.clone(), value.clone())).collect())
}
