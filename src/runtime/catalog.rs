//! What is installed: effects, their networks, and ONNX Runtime. Read when first asked for, and again when it changes.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::SystemTime;

use crate::autotune::{Cache, Machine, Timings};
use crate::effect::{Effect, Gallery, Pack, Variant};
use crate::fault::{Fault, capital};
use crate::foreign;
use crate::nn::graph::Graph;
use crate::nn::ort::{OrtError, OrtRuntime};

/// Networks that are kept as graphs: those of a few variants, some megabytes each.
const KEPT_GRAPHS: usize = 4;

/// Effects, and what is wrong with packs, as they were at one moment.
#[derive(Clone, Debug, Default)]
pub struct Found {
    pub gallery: Gallery,
    pub faults: Vec<Fault>,
}

/// Looked for once, by whoever asks first; the others wait for the answer.
pub struct Catalog {
    folders: Vec<PathBuf>,
    ort: OnceLock<Result<OrtRuntime, OrtError>>,
    state: Mutex<State>,
    /// Where timings are kept; without one nothing is timed.
    cache: Option<Cache>,
    timings: Mutex<Option<Timings>>,
    /// A network is being timed, which slows down everything else.
    busy: AtomicBool,
}

/// While it lives, a network is being timed.
pub(super) struct Busy<'a>(&'a AtomicBool);

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

#[derive(Default)]
struct State {
    found: Option<Arc<Found>>,
    /// When the folders were changed last, as of the last look.
    stamp: Option<Stamp>,
    /// By the sum of the file, newest last.
    graphs: Vec<(String, Arc<Graph>)>,
}

/// Every folder and description that effects come from, and when each was changed.
type Stamp = Vec<(PathBuf, Option<SystemTime>)>;

impl Catalog {
    /// Looks nowhere yet.
    pub fn new(folders: Vec<PathBuf>) -> Arc<Self> {
        Self::make(folders, None)
    }

    /// As [`Self::new`], and remembers in `cache` what engines take for networks.
    pub fn timing(folders: Vec<PathBuf>, cache: Cache) -> Arc<Self> {
        Self::make(folders, Some(cache))
    }

    fn make(folders: Vec<PathBuf>, cache: Option<Cache>) -> Arc<Self> {
        Arc::new(Self {
            folders,
            ort: OnceLock::new(),
            state: Mutex::default(),
            cache,
            timings: Mutex::default(),
            busy: AtomicBool::new(false),
        })
    }

    /// What was timed on this machine, read from the cache when first asked for. `None` where nothing is timed.
    pub fn timings(&self, machine: impl FnOnce() -> Machine) -> Option<Timings> {
        let cache = self.cache.as_ref()?;
        let mut held = self.timings.lock().unwrap_or_else(PoisonError::into_inner);
        if held.is_none() {
            let (timings, why) = cache.load(&machine());
            if let Some(why) = why {
                log::info!("the engines are timed on the networks that are here: {why}");
            }
            *held = Some(timings);
        }
        held.clone()
    }

    pub(super) fn set_timings(&self, timings: &Timings) {
        if let Some(cache) = &self.cache
            && let Err(what) = cache.save(timings)
        {
            log::warn!("timings are not kept: {what}");
        }
        *self.timings.lock().unwrap_or_else(PoisonError::into_inner) = Some(timings.clone());
    }

    pub(super) fn autotuning(&self) -> Busy<'_> {
        self.busy.store(true, Ordering::Release);
        Busy(&self.busy)
    }

    /// Whether a network is being timed now.
    pub fn is_autotuning(&self) -> bool {
        self.busy.load(Ordering::Acquire)
    }

    /// The effects. Takes some tens of milliseconds the first time.
    pub fn found(&self) -> Arc<Found> {
        let mut state = self.lock();
        if let Some(found) = &state.found {
            return found.clone();
        }
        state.stamp = Some(stamp(&self.folders));
        let (gallery, faults) = Gallery::load(&self.folders);
        state.found.insert(Arc::new(Found { gallery, faults })).clone()
    }

    /// The effect of that name or title; of the path of a network, also one that has to be brought under this program's
    /// contract first, which takes seconds.
    ///
    /// # Errors
    /// With the names that there are, or what is wrong with the file.
    pub fn effect(&self, request: &str) -> Result<Effect, Fault> {
        let path = Path::new(request);
        if path.extension().is_some_and(|e| e.eq_ignore_ascii_case("onnx"))
            && let Some(folder) = foreign::adapted(path)?
        {
            let (gallery, faults) = Gallery::load(&[folder]);
            return match (gallery.effects().first(), faults.into_iter().next()) {
                (Some(effect), _) => Ok(effect.clone()),
                (None, Some(fault)) => Err(fault),
                (None, None) => self.found().gallery.find(request),
            };
        }
        self.found().gallery.find(request)
    }

    /// The effects, if they are known already and nobody is just reading them. Never waits.
    pub fn known(&self) -> Option<Arc<Found>> {
        self.state.try_lock().ok()?.found.clone()
    }

    /// Reads the effects anew if a folder of packs has changed since the last look; whether it did. The folders are looked
    /// at without holding anybody up, and read while [`Self::known`] goes on giving what was there.
    pub fn refresh(&self) -> bool {
        let now = stamp(&self.folders);
        if self.lock().stamp.as_ref().is_none_or(|before| *before == now) {
            return false;
        }
        let (gallery, faults) = Gallery::load(&self.folders);
        let mut state = self.lock();
        state.stamp = Some(now);
        state.found = Some(Arc::new(Found { gallery, faults }));
        true
    }

    /// ONNX Runtime, loaded the first time.
    ///
    /// # Errors
    /// Why there is none.
    pub fn ort(&self) -> Result<&OrtRuntime, &OrtError> {
        self.ort.get_or_init(|| OrtRuntime::find(None)).as_ref()
    }

    /// A variant's network as a graph, its file checked against its sum before it is read.
    ///
    /// # Errors
    /// What is wrong with the file or the network.
    pub fn graph(&self, variant: &Variant) -> Result<Arc<Graph>, Fault> {
        let known = |state: &State| state.graphs.iter().find(|(sum, _)| *sum == variant.sha256).map(|(_, g)| g.clone());
        if let Some(graph) = known(&self.lock()) {
            return Ok(graph);
        }
        let bytes = variant.read().map_err(|e| Fault::failed(capital(&e.to_string()), e.remedy()))?;
        let graph = Graph::from_onnx(&bytes)
            .map_err(|e| Fault::failed(capital(&e.to_string()), "Choose another effect or variant"))?;
        let graph = Arc::new(graph);
        let mut state = self.lock();
        if known(&state).is_none() {
            if state.graphs.len() == KEPT_GRAPHS {
                state.graphs.remove(0);
            }
            state.graphs.push((variant.sha256.clone(), graph.clone()));
        }
        Ok(graph)
    }

    /// What keeps the canvas of a network empty, for each network that takes one; see [`Pack::canvas_trouble`]. Reads every
    /// network that is installed.
    pub fn canvas_trouble(&self) -> Vec<String> {
        let found = self.found();
        let mut troubles: Vec<String> = Vec::new();
        let mut seen: Vec<&Pack> = Vec::new();
        for effect in found.gallery.effects() {
            let pack = &*effect.pack;
            if seen.iter().any(|known| known.name == pack.name) {
                continue;
            }
            seen.push(pack);
            for variant in &pack.variants {
                let channels = self.graph(variant).map_or(0, |g| g.canvas().map_or(0, |canvas| g.channels(canvas)));
                troubles.extend(pack.canvas_trouble(channels).filter(|trouble| !troubles.contains(trouble)));
            }
        }
        troubles
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic while reading leaves what was known before.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// When the folders of packs, the packs in them and their descriptions were changed last. A folder's time changes with its
/// entries, a description's with its text; networks are named in descriptions with their sums.
fn stamp(folders: &[PathBuf]) -> Stamp {
    let changed = |path: &Path| std::fs::metadata(path).and_then(|m| m.modified()).ok();
    let mut stamp = Vec::new();
    for folder in folders {
        stamp.push((folder.clone(), changed(folder)));
        stamp.push((folder.join("pack.toml"), changed(&folder.join("pack.toml"))));
        let Ok(entries) = std::fs::read_dir(folder) else { continue };
        let mut packs: Vec<_> = entries.flatten().map(|e| e.path()).filter(|p| p.is_dir()).collect();
        packs.sort();
        for pack in packs {
            let manifest = pack.join("pack.toml");
            stamp.push((manifest.clone(), changed(&manifest)));
            stamp.push((pack.clone(), changed(&pack)));
        }
    }
    stamp
}
