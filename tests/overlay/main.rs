//! The overlay, the bar and the messages as pictures, at two scale factors, over pictures that are hard to read on; and
//! what the controls say when they are used. Needs an adapter for the pictures (lavapipe will do).

mod scene;

use std::time::{Duration, Instant};

use egui::{Vec2, pos2, vec2};
use egui_kittest::kittest::{NodeT, Queryable};
use egui_kittest::{Harness, SnapshotOptions, SnapshotResults};
use impasto::fault::Fault;
use impasto::quality::Keep;
use impasto::ui::{Action, Countdown, Interface, Level, Startup, style};
use scene::{Backdrop, Chain, Scene};

/// The window at first.
const FIRST: Vec2 = vec2(1024.0, 576.0);

fn harness(scene: Scene, size: Vec2, pixels_per_point: f32) -> Harness<'static, Scene> {
    let mut harness = Harness::builder()
        .with_size(size)
        .with_pixels_per_point(pixels_per_point)
        .with_context_setup(style::apply)
        .build_ui_state(
            |ui, scene: &mut Scene| {
                scene::paint(ui, scene.backdrop);
                scene.show(ui);
            },
            scene,
        );
    harness.run_steps(3);
    harness
}

/// Whether pictures can be drawn here; prints why not.
fn can_draw() -> bool {
    match impasto::gpu::Gpu::headless() {
        Ok(_) => true,
        Err(error) => {
            assert!(std::env::var_os("REQUIRE_GPU").is_none(), "{error}");
            println!("skipped: {error}");
            false
        }
    }
}

/// Pictures of `scene` at two scale factors, after `prepare` was done to it.
fn snapshot(name: &str, size: Vec2, scene: impl Fn() -> Scene, prepare: impl Fn(&mut Harness<'_, Scene>)) {
    if !can_draw() {
        return;
    }
    let mut results = SnapshotResults::new();
    for (scale, suffix) in [(1.0, "1x"), (2.0, "2x")] {
        // Drivers round edges differently; a moved or missing letter is far more than this.
        let options = SnapshotOptions::new().threshold(1.5).max_failed_pixels(60);
        let mut harness = harness(scene(), size, scale);
        prepare(&mut harness);
        harness.run_steps(2);
        harness.snapshot_options(format!("{name}_{suffix}"), &options);
        results.extend_harness(&mut harness);
    }
}

fn nothing(_: &mut Harness<'_, Scene>) {}

#[test]
fn line() {
    let scene = || {
        let mut scene = Scene::new(Level::Line).touched();
        scene.controls.split = Some(0.4);
        scene.preparing = Some("preparing Starry Night");
        scene
    };
    snapshot("line_bar_split", vec2(960.0, 540.0), scene, nothing);
}

#[test]
fn compact() {
    snapshot("compact_bright", vec2(640.0, 360.0), || Scene::new(Level::Compact).over(Backdrop::Bright), nothing);
}

#[test]
fn full() {
    snapshot("full_busy", FIRST, || Scene::new(Level::Full).touched(), nothing);
}

#[test]
fn full_over_a_dark_picture_when_overloaded() {
    let scene = || Scene::of(Level::Full, Chain::Overloaded).over(Backdrop::Dark);
    snapshot("full_overloaded_dark", FIRST, scene, nothing);
}

#[test]
fn full_with_messages_over_a_bright_picture() {
    let scene = || {
        let mut scene = Scene::new(Level::Full).over(Backdrop::Bright);
        scene.governor = None;
        scene.faults = vec![
            (
                Fault::failed(
                    "HD Webcam was unplugged",
                    "Plug it in again: the picture goes on by itself. Or choose another source with --source",
                ),
                3,
            ),
            (Fault::degraded("The camera delivers 12.5 instead of 30 frames per second", "More light helps"), 1),
            (Fault::notice("Saved impasto-0001.png", "In /home/you/Pictures"), 1),
        ];
        scene
    };
    snapshot("full_messages_bright", vec2(1280.0, 720.0), scene, nothing);
}

#[test]
fn paused_with_a_frame_open() {
    let open = |harness: &mut Harness<'_, Scene>| {
        let interface = &mut harness.state_mut().interface;
        interface.pause(true);
        interface.step(0);
        interface.step(-8);
    };
    snapshot("timeline", FIRST, || Scene::new(Level::Full).touched(), open);
}

#[test]
fn paused_at_a_hitch() {
    // The newest of the listed hitches, opened with a click.
    let open = |harness: &mut Harness<'_, Scene>| {
        let at = harness.state().interface.hitch_places().next().expect("the scene has hitches").center();
        harness.hover_at(at);
        harness.run_steps(1);
        harness.drag_at(at);
        harness.drop_at(at);
        harness.run_steps(2);
        assert!(harness.state().interface.paused());
    };
    snapshot("timeline_hitch_dark", vec2(1280.0, 720.0), || Scene::new(Level::Full).over(Backdrop::Dark), open);
}

#[test]
fn help() {
    let open = |harness: &mut Harness<'_, Scene>| harness.state_mut().interface.toggle_help();
    snapshot("help", FIRST, || Scene::new(Level::Line), open);
}

#[test]
fn the_wall() {
    let scene = || {
        let mut scene = Scene::new(Level::Line);
        scene.effects[4].starred = true;
        scene
    };
    let open = |harness: &mut Harness<'_, Scene>| {
        let state = harness.state_mut();
        state.interface.toggle_wall(state.effects.get(2));
    };
    snapshot("wall", FIRST, scene, open);
}

#[test]
fn the_wall_in_a_small_window() {
    let open = |harness: &mut Harness<'_, Scene>| {
        let state = harness.state_mut();
        state.interface.toggle_wall(state.effects.get(2));
    };
    snapshot("wall_small", vec2(640.0, 360.0), || Scene::new(Level::Line), open);
}

#[test]
fn the_wall_gives_what_is_clicked_and_what_the_keyboard_is_on() {
    let mut harness = plain(Scene::new(Level::Line), FIRST);
    let scene = harness.state_mut();
    scene.interface.toggle_wall(scene.effects.first());
    harness.run_steps(2);
    let scene = harness.state_mut();
    let wall = scene.interface.wall().expect("it is open");
    wall.walk(1, 1, &scene.effects);
    let there = wall.under_cursor(&scene.effects).expect("there are effects");
    assert!(there > 1, "a row down and one to the right");
    assert_eq!(scene.interface.wanted().map(|w| w.visible.len()), Some(scene.effects.len()));
    harness.get_by_label("Charcoal").click();
    harness.run_steps(2);
    let charcoal = harness.state().effects.iter().position(|e| e.title == "Charcoal").unwrap();
    assert_eq!(std::mem::take(&mut harness.state_mut().actions), [Action::Effect(charcoal)]);
    assert!(harness.state().interface.wanted().is_none(), "what was chosen closes it");
}

#[test]
fn narrow_window_with_everything() {
    let scene = || {
        let mut scene = Scene::new(Level::Full).touched();
        scene.blend = Some((1, 2, 0.35));
        scene.faults =
            vec![(Fault::degraded("The camera delivers 12.5 instead of 30 frames per second", "More light helps"), 1)];
        scene
    };
    snapshot("narrow", vec2(520.0, 640.0), scene, nothing);
}

#[test]
fn small_window_shows_less() {
    snapshot("small", vec2(640.0, 360.0), || Scene::of(Level::Full, Chain::Overloaded).touched(), nothing);
}

fn plain(scene: Scene, size: Vec2) -> Harness<'static, Scene> {
    let mut harness = Harness::builder()
        .with_size(size)
        .with_context_setup(style::apply)
        .build_ui_state(|ui, scene: &mut Scene| scene.show(ui), scene);
    harness.run_steps(2);
    harness
}

#[test]
fn controls_say_what_was_asked_for() {
    let mut harness = plain(Scene::new(Level::Hidden).touched(), FIRST);
    for (label, action) in [
        ("Gauguin", Action::Effect(0)),
        ("All 9", Action::ToggleWall),
        ("S", Action::Variant("s".into())),
        ("Split", Action::ToggleSplit),
        ("Record", Action::ToggleRecording),
        ("Picture", Action::Still),
        ("Report", Action::SaveReport),
        ("Figures", Action::NextLevel),
    ] {
        harness.get_by_label(label).click();
        harness.run_steps(2);
        assert_eq!(std::mem::take(&mut harness.state_mut().actions), [action], "{label}");
    }
    for (label, action) in [
        ("Mirror", Action::ToggleMirror),
        ("Picture in 3 seconds", Action::ToggleCountdown),
        ("Keep the last 10 seconds", Action::ToggleReplay),
        ("Camera for calls", Action::ToggleCamera),
    ] {
        harness.get_by_label("More").click();
        harness.run_steps(3);
        harness.get_by_label(label).click();
        harness.run_steps(3);
        assert_eq!(std::mem::take(&mut harness.state_mut().actions), [action], "{label}");
    }
}

#[test]
fn a_countdown_and_its_flash_are_over_everything() {
    let mut scene = Scene::new(Level::Line);
    scene.countdown = Some(Countdown::Left(2));
    let counting = plain(scene, vec2(400.0, 300.0)).render().unwrap();
    let mut scene = Scene::new(Level::Line);
    scene.countdown = Some(Countdown::Flash(1.0));
    let flashed = plain(scene, vec2(400.0, 300.0)).render().unwrap();
    assert!(flashed.pixels().all(|pixel| pixel.0[..3].iter().all(|&c| c > 250)));
    let bright = |image: &image::RgbaImage| image.pixels().filter(|p| p.0[..3].iter().all(|&c| c > 220)).count();
    assert!(bright(&counting) > 500 && bright(&counting) < bright(&flashed) / 2, "a number, and not a flash");
}

#[test]
fn lists_say_what_was_chosen() {
    let mut harness = plain(Scene::new(Level::Hidden).touched(), FIRST);
    let choose = |harness: &mut Harness<'_, Scene>, list: &str, entry: &str| {
        harness.get_by_value(list).click();
        harness.run_steps(3);
        // The strip of effects is further down than what is open.
        let above = |a: &egui_kittest::Node<'_>, b: &egui_kittest::Node<'_>| a.rect().top().total_cmp(&b.rect().top());
        harness.get_all_by_label(entry).min_by(above).expect("it is in the list").click();
        harness.run_steps(3);
        std::mem::take(&mut harness.state_mut().actions)
    };
    assert_eq!(choose(&mut harness, "Keep: balanced", "battery"), [Action::Keep(Keep::Battery)]);
    // Only effects of the same network can be blended.
    let blended = choose(&mut harness, "Blend with …", "Water Lilies");
    assert_eq!(blended, [Action::Blend { other: 3, share: 0.5 }]);
    harness.get_by_value("Blend with …").click();
    harness.run_steps(3);
    assert!(harness.query_by_label("Woodcut").is_none_or(|node| node.rect().top() > 430.0), "only in the bar");
}

#[test]
fn the_split_line_follows_the_pointer() {
    let mut scene = Scene::new(Level::Full);
    scene.controls.split = Some(0.5);
    let mut harness = plain(scene, vec2(800.0, 600.0));
    harness.drag_at(pos2(400.0, 300.0));
    harness.run_steps(2);
    harness.hover_at(pos2(600.0, 300.0));
    harness.run_steps(2);
    let asked = harness.state().actions.iter().rev().find_map(|a| match a {
        Action::Split(Some(share)) => Some(*share),
        _ => None,
    });
    assert!((asked.unwrap() - 0.75).abs() < 0.01, "{asked:?}");
}

#[test]
fn the_bar_hides_by_itself() {
    let mut interface = Interface::default();
    let t0 = Instant::now();
    assert!(!interface.bar_visible(t0));
    interface.touched(t0);
    assert!(interface.bar_visible(t0 + Duration::from_secs(2)));
    assert!(!interface.bar_visible(t0 + Duration::from_secs(4)));
    assert_eq!(interface.next_change(), Some(t0 + Duration::from_secs(3)));
}

/// What egui's own clock needs until a pointer that rests counts as resting.
fn rest(harness: &mut Harness<'_, Scene>) {
    harness.run_steps(30);
}

#[test]
fn figures_explain_themselves() {
    let mut harness = plain(Scene::new(Level::Full), FIRST);
    // The first of the three large figures.
    harness.hover_at(pos2(60.0, 75.0));
    rest(&mut harness);
    harness.get_by_label_contains("Pictures per second that reached the screen");
    harness.hover_at(pos2(500.0, 300.0));
    rest(&mut harness);
    assert!(harness.query_by_label_contains("Pictures per second").is_none(), "the picture needs no explanation");
}

#[test]
fn a_screen_reader_hears_the_figures() {
    let harness = plain(Scene::new(Level::Full), FIRST);
    harness.get_by_label_contains("frames per second, latency");
    harness.get_by_label_contains("within budget");
}

#[test]
fn paused_figures_stand_still_and_the_picture_goes_on() {
    let mut harness = plain(Scene::new(Level::Full), FIRST);
    let spoken = |harness: &Harness<'_, Scene>| {
        harness.get_by_label_contains("frames per second, latency").accesskit_node().value().unwrap_or_default()
    };
    harness.get_by_label("Pause").click();
    harness.run_steps(2);
    let before = spoken(&harness);
    // Ten seconds later every frame that was counted is too old.
    harness.state_mut().now += Duration::from_secs(30);
    harness.run_steps(2);
    assert_eq!(spoken(&harness), before);
    harness.get_by_label("Resume").click();
    harness.run_steps(2);
    assert_ne!(spoken(&harness), before);
    assert!(!harness.state().interface.paused());
}

#[test]
fn a_click_on_the_graph_opens_a_frame_and_keys_go_on_from_there() {
    let mut harness = plain(Scene::new(Level::Full), FIRST);
    let graph = harness.state().interface.graph_place().expect("the graph is there");
    let at = graph.center();
    harness.drag_at(at);
    harness.drop_at(at);
    harness.run_steps(2);
    let first = harness.state().interface.open_frame().expect("a frame is open");
    assert!(harness.state().interface.paused());
    harness.get_by_label("‹").click();
    harness.run_steps(2);
    let before = harness.state().interface.open_frame().unwrap();
    assert_eq!(before.0 + 1, first.0);
    harness.get_by_label("Close").click();
    harness.run_steps(2);
    assert_eq!(harness.state().interface.open_frame(), None);
    // Escape ends the pause, and then has nothing to close.
    let interface = &mut harness.state_mut().interface;
    assert!(interface.escape());
    assert!(!interface.paused());
    assert!(!interface.escape());
}

/// What the interface costs the CPU at each level: `cargo test --release --test overlay -- --ignored --nocapture`.
#[test]
#[ignore = "prints times and asserts none"]
fn what_the_interface_costs() {
    const RUNS: usize = 900;
    println!(
        "1280x720, microseconds, medians; the program runs the interface ten times a second and draws it again between"
    );
    println!("{:9} {:>10} {:>14} {:>11} {:>9}", "level", "laid out", "drawn again", "triangles", "vertices");
    for level in [Level::Hidden, Level::Line, Level::Compact, Level::Full] {
        let context = egui::Context::default();
        style::apply(&context);
        let mut scene = Scene::new(level);
        let t0 = scene.now;
        let (mut fresh, mut again, mut tessellate, mut vertices) = (Vec::new(), Vec::new(), Vec::new(), 0);
        for i in 0..RUNS {
            scene.now = t0 + Duration::from_millis(50) * (i % 20) as u32;
            let input = egui::RawInput {
                screen_rect: Some(egui::Rect::from_min_size(pos2(0.0, 0.0), vec2(1280.0, 720.0))),
                time: Some(i as f64 / 20.0),
                ..Default::default()
            };
            let summary = scene.meter.summary(scene.now);
            let before = scene.interface.figures_from();
            let began = Instant::now();
            let mut output = context.run_ui(input, |ui| scene.show_with(ui, &summary));
            let ran = Instant::now();
            let primitives = context.tessellate(std::mem::take(&mut output.shapes), 1.0);
            tessellate.push(ran.elapsed());
            output.textures_delta.clear();
            let anew = scene.interface.figures_from() != before;
            if anew { &mut fresh } else { &mut again }.push(ran - began);
            vertices = primitives
                .iter()
                .map(|p| match &p.primitive {
                    egui::epaint::Primitive::Mesh(mesh) => mesh.vertices.len(),
                    egui::epaint::Primitive::Callback(_) => 0,
                })
                .sum();
        }
        let median = |mut times: Vec<Duration>| {
            times.sort_unstable();
            times.get(times.len() / 2).map_or(0.0, |d| d.as_secs_f64() * 1e6)
        };
        let name = format!("{level:?}");
        let (fresh, again, tessellate) = (median(fresh), median(again), median(tessellate));
        println!("{name:9} {fresh:10.0} {again:14.0} {tessellate:11.0} {vertices:9}");
    }
}

#[test]
fn the_settings() {
    let open = |harness: &mut Harness<'_, Scene>| {
        assert!(harness.state_mut().interface.toggle_setup());
        harness.run_steps(2);
    };
    let scene = || Scene { camera: Some(scene::camera()), ..Scene::new(Level::Line) };
    snapshot("settings", vec2(1024.0, 760.0), scene, open);
}

/// Each control asks for what it says, and Escape closes the card.
#[test]
fn the_settings_ask_for_what_is_set() {
    let scene = Scene { camera: Some(scene::camera()), ..Scene::new(Level::Line) };
    let mut harness = plain(scene, vec2(1024.0, 1200.0));
    harness.state_mut().interface.toggle_setup();
    harness.run_steps(6);
    let click = |harness: &mut Harness<'_, Scene>, name: &str| {
        harness.get_by_label(name).click();
        harness.run_steps(4);
        std::mem::take(&mut harness.state_mut().actions)
    };
    assert_eq!(click(&mut harness, "Left and right as in a mirror"), [Action::ToggleMirror]);
    let startup = Startup { fullscreen: true, ..Startup::default() };
    assert_eq!(click(&mut harness, "Fill the screen"), [Action::Startup(startup)]);
    assert_eq!(click(&mut harness, "As the camera came"), [Action::CameraControl { id: 1, value: 0 }]);
    // Nothing is sent without agreement.
    assert_eq!(click(&mut harness, "Send, from the next start on"), []);
    assert_eq!(click(&mut harness, "I have read what is sent, and agree"), []);
    let send = Action::Telemetry(Some("http://localhost:4318".into()));
    assert_eq!(click(&mut harness, "Send, from the next start on"), [send]);
    assert!(harness.state_mut().interface.escape(), "the card was open");
    assert!(!harness.state_mut().interface.escape());
    // The wall covers the window: never both.
    let interface = &mut harness.state_mut().interface;
    interface.toggle_wall(None);
    assert!(interface.toggle_setup() && interface.wall().is_none());
    interface.toggle_wall(None);
    assert!(interface.wall().is_some() && !interface.is_setup_open());
}

#[test]
fn the_palette() {
    let open = |harness: &mut Harness<'_, Scene>| {
        harness.state_mut().interface.toggle_palette();
        harness.run_steps(2);
        harness.event(egui::Event::Text("pa".to_owned()));
    };
    snapshot("palette", FIRST, || Scene::new(Level::Line).touched(), open);
}

#[test]
fn the_palette_does_what_was_typed() {
    let mut harness = plain(Scene::new(Level::Hidden), FIRST);
    let ask = |harness: &mut Harness<'_, Scene>, words: &str, downs: usize| {
        harness.state_mut().interface.toggle_palette();
        harness.run_steps(2);
        harness.event(egui::Event::Text(words.to_owned()));
        harness.run_steps(2);
        for _ in 0..downs {
            harness.key_press(egui::Key::ArrowDown);
            harness.run_steps(1);
        }
        harness.key_press(egui::Key::Enter);
        harness.run_steps(2);
        assert!(harness.query_by_label("All keys").is_none(), "what was chosen closes it");
        std::mem::take(&mut harness.state_mut().actions)
    };
    let charcoal = harness.state().effects.iter().position(|e| e.title == "Charcoal").unwrap();
    assert_eq!(ask(&mut harness, "charc", 0), [Action::Effect(charcoal)]);
    assert_eq!(ask(&mut harness, "keep battery", 0), [Action::Keep(Keep::Battery)]);
    assert_eq!(ask(&mut harness, "figures of", 0), [Action::Step(-1)]);
    assert_eq!(ask(&mut harness, "figures of", 1), [Action::Step(1)]);
    harness.state_mut().interface.toggle_palette();
    harness.run_steps(2);
    harness.get_by_label("All keys");
    harness.key_press(egui::Key::Escape);
    harness.run_steps(2);
    assert!(harness.query_by_label("All keys").is_none());
    assert!(harness.state().actions.is_empty());
}

#[test]
fn the_first_window_has_room_for_all_figures_above_the_bar() {
    // The harness keeps 8 points free on all sides; the window does not.
    let harness = plain(Scene::new(Level::Full).touched(), FIRST + Vec2::splat(16.0));
    assert!(harness.state().interface.graph_place().is_some(), "the graph of frames is shown");
}
