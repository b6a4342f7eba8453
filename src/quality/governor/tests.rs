use super::*;
use crate::quality::ladder;

const BUDGET: Budget = Budget(Duration::from_millis(40));
const LOOK: Duration = Duration::from_millis(250);

fn rungs() -> Vec<Rung> {
    ladder(&[("s".into(), 10.0), ("m".into(), 30.0)], true)
}

fn load(work_ms: f32, infer_ms: f32) -> Load {
    Load { recent_ms: Some(work_ms), p95_ms: Some(work_ms), infer_ms: Some(infer_ms), frames: 60, ..Load::default() }
}

/// Looks for `seconds` at the same load, carrying every decision out at once.
fn watch(governor: &mut Governor, load: Load, seconds: f32, now: &mut Instant) -> Vec<Decision> {
    let mut decisions = Vec::new();
    for _ in 0..(seconds / LOOK.as_secs_f32()).round() as u32 {
        *now += LOOK;
        if let Some(decision) = governor.observe(&load, *now) {
            governor.took_effect(&decision, *now);
            decisions.push(decision);
        }
    }
    decisions
}

#[test]
fn it_steps_down_soon_and_says_why() {
    let mut governor = Governor::new(rungs(), Keep::Balanced, BUDGET);
    let mut now = Instant::now();
    let decisions = watch(&mut governor, load(55.0, 45.0), 1.0, &mut now);
    assert_eq!(decisions.len(), 1);
    assert_eq!((decisions[0].index, decisions[0].from.to_string()), (1, "M".to_owned()));
    assert_eq!(decisions[0].reason, "p95 55.0 ms of a 40.0 ms budget");
    assert_eq!(governor.state().reason, decisions[0].reason);
    // Just below the limit nothing happens, in either direction.
    assert!(watch(&mut governor, load(35.0, 30.0), 10.0, &mut now).is_empty());
    let waiting = governor.state().waiting_for.clone().unwrap();
    assert!(waiting.starts_with("M would take") && waiting.ends_with("30.0 ms is the limit"), "{waiting}");
}

#[test]
fn a_choice_by_hand_wins_and_keep_ends_it() {
    let mut governor = Governor::new(rungs(), Keep::Balanced, BUDGET);
    let mut now = Instant::now();
    governor.hold(Some(0));
    assert!(watch(&mut governor, load(90.0, 80.0), 30.0, &mut now).is_empty());
    let state = governor.state();
    assert!(state.manual && state.index == 0);
    assert_eq!(state.waiting_for.as_deref(), Some("chosen by hand, 50.0 ms over the budget"));
    governor.set_keep(Keep::Balanced);
    assert!(!watch(&mut governor, load(90.0, 80.0), 5.0, &mut now).is_empty());
    let mut fixed = Governor::new(rungs(), Keep::Fixed, BUDGET);
    assert!(watch(&mut fixed, load(90.0, 80.0), 30.0, &mut now).is_empty());
}

#[test]
fn heat_steps_down_slowly_and_danger_soon_but_never_to_no_painting() {
    let mut governor = Governor::new(rungs(), Keep::Balanced, BUDGET);
    let mut now = Instant::now();
    let hot = Load { thermal: Some(Thermal::Serious), ..load(12.0, 8.0) };
    let steps = watch(&mut governor, hot, 13.0, &mut now);
    assert_eq!(steps.len(), 2, "{steps:?}");
    assert_eq!(steps[0].reason, "the machine is hot (serious)");
    watch(&mut governor, Load { thermal: Some(Thermal::Critical), ..hot }, 10.0, &mut now);
    let state = governor.state().clone();
    assert_eq!(state.index, state.of - 2, "the lightest painting");
    watch(&mut governor, Load { thermal: Some(Thermal::Critical), ..hot }, 120.0, &mut now);
    assert!(governor.state().rung.painted, "heat never takes the painting away");
    // Warm: it stays where it is. Cool: back up.
    assert!(watch(&mut governor, Load { thermal: Some(Thermal::Fair), ..hot }, 60.0, &mut now).is_empty());
    assert_eq!(governor.state().waiting_for.as_deref(), Some("nothing larger until it cools (fair)"));
    watch(&mut governor, Load { thermal: Some(Thermal::Nominal), ..load(8.0, 2.0) }, 90.0, &mut now);
    assert_eq!(governor.state().index, 0);
}

#[test]
fn the_battery_gets_the_smallest_network() {
    let mut governor = Governor::new(rungs(), Keep::Battery, BUDGET);
    let mut now = Instant::now();
    watch(&mut governor, load(5.0, 3.0), 30.0, &mut now);
    assert_eq!(governor.state().rung.to_string(), "S");
    // The system's own saver has the same effect, and ends by itself.
    let mut governor = Governor::new(rungs(), Keep::Balanced, BUDGET);
    watch(&mut governor, Load { saver: Some(true), ..load(5.0, 3.0) }, 30.0, &mut now);
    assert_eq!((governor.state().rung.to_string(), governor.keep()), ("S".to_owned(), Keep::Balanced));
    watch(&mut governor, Load { saver: Some(false), ..load(5.0, 3.0) }, 60.0, &mut now);
    assert_eq!(governor.state().index, 0);
}

#[test]
fn what_did_not_hold_is_tried_again_later_and_later() {
    let mut governor = Governor::new(rungs(), Keep::Balanced, BUDGET);
    let mut now = Instant::now();
    governor.set_ladder(rungs(), 3);
    let (mut climbs, mut began) = (Vec::new(), now);
    // The rung above looks possible (5 ms of 40) and never is.
    for _ in 0..6000 {
        now += LOOK;
        let seen = if governor.state().index == 3 { load(15.0, 5.0) } else { load(60.0, 50.0) };
        if let Some(decision) = governor.observe(&seen, now) {
            governor.took_effect(&decision, now);
            if decision.index < 3 {
                climbs.push(now.duration_since(began).as_secs());
                began = now;
            }
        }
    }
    assert!(climbs.len() >= 4, "{climbs:?}");
    assert!(climbs[1] >= 30 && climbs[2] >= climbs[1] * 3 / 2 && climbs[3] >= climbs[2] * 3 / 2, "{climbs:?}");
}

#[test]
fn a_rung_that_cannot_be_had_is_passed_over() {
    let mut governor = Governor::new(rungs(), Keep::Balanced, BUDGET);
    let mut now = Instant::now();
    let heavy = load(90.0, 80.0);
    let decision = loop {
        now += LOOK;
        if let Some(decision) = governor.observe(&heavy, now) {
            break decision;
        }
    };
    now += LOOK;
    assert!(governor.observe(&heavy, now).is_none(), "one step at a time");
    assert_eq!(governor.state().waiting_for.as_deref(), Some("M, 75 % size is being prepared"));
    governor.refused(&decision, now);
    assert_eq!(governor.state().index, 0);
    let next = watch(&mut governor, heavy, 1.0, &mut now);
    assert_eq!(next[0].index, 2);
}

#[test]
fn painted_beats_smooth_until_painting_is_hopeless() {
    let mut governor = Governor::new(rungs(), Keep::Quality, BUDGET);
    let mut now = Instant::now();
    // Out of the budget on every rung, and 11 painted pictures a second: that is what is wanted.
    watch(&mut governor, Load { painted_per_s: Some(11.0), ..load(90.0, 60.0) }, 60.0, &mut now);
    let state = governor.state().clone();
    assert!(state.rung.painted && state.index == state.of - 2, "{state:?}");
    assert_eq!(state.waiting_for.as_deref(), Some("the painting stays, although it is slow: 11 pictures a second"));
    // Where nobody counted, too.
    watch(&mut governor, load(90.0, 60.0), 60.0, &mut now);
    assert!(governor.state().rung.painted);
    // Fewer than eight a second are not worth it.
    let hopeless = Load { painted_per_s: Some(6.0), ..load(170.0, 150.0) };
    watch(&mut governor, hopeless, 10.0, &mut now);
    assert!(!governor.state().rung.painted);
    // It is tried again, when its time has come, although the budget would not hold it.
    watch(&mut governor, load(40.0, 0.0), 240.0, &mut now);
    assert!(governor.state().rung.painted, "{:?}", governor.state());
}

#[test]
fn where_nothing_helps_it_says_so() {
    let mut now = Instant::now();
    let mut governor = Governor::new(Vec::new(), Keep::Quality, BUDGET);
    watch(&mut governor, load(90.0, 0.0), 60.0, &mut now);
    assert_eq!(governor.state().waiting_for.as_deref(), Some("nothing lighter is left; frames take 90.0 ms"));
    // No measurements at all: nothing is decided.
    let mut governor = Governor::new(rungs(), Keep::Quality, BUDGET);
    assert!(watch(&mut governor, Load::default(), 60.0, &mut now).is_empty());
}
