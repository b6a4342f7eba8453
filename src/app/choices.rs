//! What the user chose: the effect and how it is painted, what the governor keeps, and how the picture is put together.
//!
//! What a choice comes to is a new [`EffectRequest`]; whoever asked for it hands it on. Knows the effects that there are to choose
//! from, and neither the source nor what paints.

use std::collections::BTreeMap;

use crate::cli::{LookArgs, WindowArgs};
use crate::effect::{Blend, Gallery, Share, Touch};
use crate::fault::Fault;
use crate::nn::engines::{Engine, EngineWish, Provider};
use crate::pipeline::Look;
use crate::quality::Keep;
use crate::runtime::EffectRequest;
use crate::settings::Settings;
use crate::ui::{Controls, EffectEntry};

pub(super) struct Choices {
    request: EffectRequest,
    keep: Keep,
    controls: Controls,
    steadiness: Option<f32>,
    /// The user set the mirror for the source that is looked at.
    mirror_by_hand: bool,
    /// Whether the user wants cameras mirrored, once said.
    camera_mirror: Option<bool>,
    /// The effect comes from the settings, and has not been found in the gallery yet.
    remembered: bool,
    /// What `B` brings back.
    last_blend: Option<Blend>,
    effects: Vec<EffectEntry>,
    /// By effect, what differs from how it comes.
    touches: BTreeMap<String, Touch>,
    /// Names; those of effects that are not installed just now stay.
    favourites: Vec<String>,
    /// The user changed them, or had changed them before.
    chose_favourites: bool,
}

impl Choices {
    /// What the command line leaves open is as in `settings`.
    pub fn new(args: &WindowArgs, settings: &Settings) -> Self {
        let LookArgs { strength, steadiness, split, mirror } = args.look;
        let strength = strength.or(settings.strength).unwrap_or(Look::default().strength);
        // A variant belongs to its effect, and a size to what was typed with it.
        let remembered = args.paint.effect.is_none();
        Self {
            request: EffectRequest {
                // A blend belongs to its effect, too.
                blend: args.paint.blend.clone().or_else(|| settings.blend.clone().filter(|_| remembered)),
                effect: args.paint.effect.clone().or_else(|| settings.effect.clone()),
                variant: args.paint.variant.clone().or_else(|| settings.variant.clone().filter(|_| remembered)),
                engine: args.paint.engine.or(settings.engine).unwrap_or_default(),
                size: args.paint.size,
                rung: None,
                touch: Touch::default(),
            },
            keep: args.quality.keep.or(settings.keep).unwrap_or_default(),
            controls: Controls { strength, mirror, split, frozen: false, touch: Touch::default() },
            steadiness,
            mirror_by_hand: mirror,
            camera_mirror: settings.mirror,
            remembered: remembered && settings.effect.is_some(),
            last_blend: args.paint.blend.clone().or_else(|| settings.blend.clone()),
            effects: Vec::new(),
            touches: settings.touches.clone(),
            favourites: settings.favourites.clone().unwrap_or_default(),
            chose_favourites: settings.favourites.is_some(),
        }
        .touched(args)
    }

    /// With the paint of the first effect, as it was typed or remembered.
    fn touched(mut self, args: &WindowArgs) -> Self {
        let touch = args.paint.touch(self.touch_of(self.request.effect.as_deref()));
        self.controls.touch = touch;
        self.request.touch = touch.on_canvas();
        self
    }

    fn touch_of(&self, effect: Option<&str>) -> Touch {
        effect.and_then(|name| self.touches.get(&name.to_lowercase())).copied().unwrap_or_default()
    }

    /// As far as it is worth remembering.
    pub fn settings(&self) -> Settings {
        Settings {
            effect: self.request.effect.clone(),
            blend: self.request.blend.clone(),
            favourites: self.chose_favourites.then(|| self.favourites.clone()),
            variant: self.request.variant.clone(),
            engine: Some(self.request.engine),
            keep: Some(self.keep),
            mirror: self.camera_mirror,
            strength: Some(self.controls.strength),
            touches: self.touches.clone(),
            ..Settings::default()
        }
    }

    pub fn request(&self) -> &EffectRequest {
        &self.request
    }

    pub fn set_request(&mut self, request: EffectRequest) {
        if request.effect != self.request.effect {
            self.controls.touch = self.touch_of(request.effect.as_deref());
        }
        if let Some(blend) = &request.blend {
            self.last_blend = Some(blend.clone());
        }
        self.request = request;
    }

    pub fn keep(&self) -> Keep {
        self.keep
    }

    /// What is to be kept from now on, and what is wished for then, if that is something else.
    pub fn set_keep(&mut self, keep: Keep) -> Option<EffectRequest> {
        self.keep = keep;
        // What was chosen by hand goes on only where nothing is to be changed.
        let over = keep != Keep::Fixed && self.request.by_hand();
        over.then(|| EffectRequest { variant: None, size: None, ..self.request.clone() })
    }

    pub fn controls(&self) -> Controls {
        self.controls
    }

    pub fn look(&self) -> Look {
        let Controls { strength, mirror, split, .. } = self.controls;
        let look = Look { strength, mirror, split, ..Look::default() }.touched(self.controls.touch);
        Look { blend: self.steadiness.unwrap_or(look.blend), ..look }
    }

    /// In whole percent.
    pub fn set_strength(&mut self, strength: f32) {
        self.controls.strength = (strength * 100.0).round().clamp(0.0, 100.0) / 100.0;
    }

    /// How the chosen effect's paint is wanted from now on: what is wished for then, if that is another painting.
    pub fn set_touch(&mut self, touch: Touch) -> Option<EffectRequest> {
        let touch = touch.checked();
        self.controls.touch = touch;
        let name = self.chosen().map(|effect| effect.name.to_lowercase())?;
        if touch == Touch::default() {
            self.touches.remove(&name);
        } else {
            self.touches.insert(name, touch);
        }
        let heeds = self.chosen().is_some_and(|effect| effect.canvas);
        let touch = touch.on_canvas();
        (heeds && self.request.touch != touch).then(|| EffectRequest { touch, ..self.request.clone() })
    }

    pub fn set_split(&mut self, at: Option<f32>) {
        self.controls.split = at;
    }

    pub fn set_frozen(&mut self, on: bool) {
        self.controls.frozen = on;
    }

    /// `camera`: whether that is said of a camera. Then it holds for all of them.
    pub fn set_mirror(&mut self, on: bool, camera: bool) {
        self.controls.mirror = on;
        self.mirror_by_hand = true;
        if camera {
            self.camera_mirror = Some(on);
        }
    }

    /// Another source was chosen: what was set for the one before is over.
    pub fn source_chosen(&mut self) {
        self.mirror_by_hand = false;
        self.controls.frozen = false;
    }

    /// The source is open, and is a camera or not.
    pub fn source_opened(&mut self, camera: bool) {
        if !self.mirror_by_hand {
            // People know themselves from mirrors; a clip is shown as it was made.
            self.controls.mirror = camera && self.camera_mirror.unwrap_or(true);
        }
    }

    /// The effects to choose from.
    pub fn effects(&self) -> &[EffectEntry] {
        &self.effects
    }

    pub fn set_effects(&mut self, gallery: &Gallery) {
        let entry = |e: &crate::effect::Effect| EffectEntry {
            name: e.name.clone(),
            title: e.title.clone(),
            artist: e.artist.clone(),
            thumbnail: e.thumbnail.clone(),
            starred: self.favourites.contains(&e.name),
            variants: e.variants().iter().map(|v| v.id.clone()).collect(),
            kind: e.kind.title().to_owned(),
            network: if e.pack.styles.len() > 1 { e.pack.name.clone() } else { String::new() },
            relief: !e.relief.is_flat(),
            canvas: e.pack.canvas.is_some() && e.canvas.strength > 0.0,
        };
        self.effects = gallery.effects().iter().map(entry).collect();
    }

    /// The effect is a favourite from now on, or no longer.
    pub fn star(&mut self, index: usize) {
        let Some(effect) = self.effects.get_mut(index) else { return };
        effect.starred = !effect.starred;
        self.favourites.retain(|name| *name != effect.name);
        if effect.starred {
            self.favourites.push(effect.name.clone());
        }
        self.chose_favourites = true;
    }

    /// An effect or variant of the last time that is not installed any more gives way to the first one: what is wished for
    /// then, and what there is to say about it. Only the first time that there are effects.
    pub fn without_what_is_gone(&mut self) -> Option<(EffectRequest, Option<Fault>)> {
        if !std::mem::take(&mut self.remembered) || self.effects.is_empty() {
            return None;
        }
        let Some(effect) = self.chosen() else {
            let name = self.request.effect.as_deref().unwrap_or_default();
            let what = format!("The effect '{name}' of the last time is not installed any more");
            let request = EffectRequest { effect: None, blend: None, variant: None, ..self.request.clone() };
            return Some((request, Some(Fault::notice(what, "The first one paints"))));
        };
        let fits = |blend: &Blend| {
            let other = self.index_of(&blend.other).and_then(|i| self.effects.get(i));
            other.is_some_and(|other| other.network == effect.network && other.name != effect.name)
        };
        if self.request.blend.as_ref().is_some_and(|blend| !fits(blend)) {
            return Some((EffectRequest { blend: None, variant: None, ..self.request.clone() }, None));
        }
        let gone = |id: &String| !effect.variants.iter().any(|known| known.eq_ignore_ascii_case(id));
        self.request
            .variant
            .as_ref()
            .is_some_and(gone)
            .then(|| (EffectRequest { variant: None, ..self.request.clone() }, None))
    }

    /// Index of the effect that was asked for.
    pub fn effect(&self) -> Option<usize> {
        match &self.request.effect {
            None => (!self.effects.is_empty()).then_some(0),
            Some(name) => self.index_of(name),
        }
    }

    /// The chosen effect for people.
    pub fn title(&self) -> &str {
        let typed = self.request.effect.as_deref().unwrap_or("The painting");
        self.chosen().map_or(typed, |effect| effect.title.as_str())
    }

    fn chosen(&self) -> Option<&EffectEntry> {
        self.effects.get(self.effect()?)
    }

    fn index_of(&self, name: &str) -> Option<usize> {
        self.effects
            .iter()
            .position(|e| e.name.eq_ignore_ascii_case(name) || e.title.to_lowercase() == name.to_lowercase())
    }

    /// Index of the effect that comes `by` after the chosen one (negative: before), in a circle.
    pub fn effect_beside(&self, by: isize) -> Option<usize> {
        let count = self.effects.len();
        let here = self.effect().unwrap_or(0) as isize;
        (count > 0).then(|| (here + by).rem_euclid(count as isize) as usize)
    }

    pub fn with_effect(&self, index: usize) -> Option<EffectRequest> {
        let effect = self.effects.get(index)?;
        // A blend stays where it can: with another effect of the same network, and not with itself.
        let stays = |(_, other, _): &(usize, usize, f32)| {
            *other != index && self.effects.get(*other).is_some_and(|o| o.network == effect.network)
        };
        let blend = self.request.blend.clone().filter(|_| self.blend().as_ref().is_some_and(stays));
        let touch = self.touch_of(Some(&effect.name)).on_canvas();
        Some(EffectRequest { effect: Some(effect.name.clone()), blend, touch, ..self.request.clone() })
    }

    pub fn with_variant(&self, id: String) -> EffectRequest {
        EffectRequest { variant: Some(id), size: None, ..self.request.clone() }
    }

    /// The next of the chosen effect's variants, where `here` is the one that was asked for or paints, in a circle.
    pub fn variant_after(&self, here: &str) -> Option<String> {
        let variants = &self.chosen()?.variants;
        let here = variants.iter().position(|v| v.eq_ignore_ascii_case(here)).unwrap_or(0);
        variants.get((here + 1) % variants.len().max(1)).cloned()
    }

    pub fn with_next_engine(&self) -> EffectRequest {
        let engine = match self.request.engine {
            EngineWish::Auto => EngineWish::Only(Engine::Wgpu),
            EngineWish::Only(Engine::Wgpu) => EngineWish::Only(Engine::Cpu),
            EngineWish::Only(Engine::Cpu) => EngineWish::Only(Engine::Ort(Provider::default())),
            EngineWish::Only(Engine::Ort(_)) => EngineWish::Auto,
        };
        EffectRequest { engine, ..self.request.clone() }
    }

    /// The two effects that are blended, and the share of the second, 0..=1.
    pub fn blend(&self) -> Option<(usize, usize, f32)> {
        let blend = self.request.blend.as_ref()?;
        Some((self.effect()?, self.index_of(&blend.other)?, blend.share.get()))
    }

    /// How much of a second effect there is, or would be at first.
    pub fn share(&self) -> f32 {
        self.request.blend.as_ref().map_or(Share::HALF, |b| b.share).get()
    }

    /// Blends the chosen effect with the one of that index, whose share is 0..=1, or with none.
    ///
    /// # Errors
    /// When the two do not share a network.
    pub fn with_blend(&self, with: Option<(usize, f32)>) -> Result<EffectRequest, Fault> {
        let here = self.chosen();
        let blend = match with.and_then(|(i, share)| Some((self.effects.get(i)?, share))) {
            None => None,
            Some((other, _)) if here.is_none_or(|here| here.network != other.network || here.name == other.name) => {
                let here = here.map_or("The effect", |e| e.title.as_str());
                let what = format!("{here} cannot be blended with {}", other.title);
                return Err(Fault::notice(what, "Choose two effects of one pack"));
            }
            Some((other, share)) => Some(Blend { other: other.name.clone(), share: Share::new(share) }),
        };
        Ok(EffectRequest { blend, ..self.request.clone() })
    }

    /// The blend off, or back to what it was; the first time half of the next effect. `None` while there are no effects.
    ///
    /// # Errors
    /// When there is nothing to blend the chosen effect with.
    pub fn with_blend_toggled(&self) -> Result<Option<EffectRequest>, Fault> {
        if self.request.blend.is_some() {
            return self.with_blend(None).map(Some);
        }
        let Some(here) = self.effect() else { return Ok(None) };
        let fits = |i: usize| i != here && self.effects[i].network == self.effects[here].network;
        let last = self.last_blend.as_ref().and_then(|b| Some((self.index_of(&b.other)?, b.share.get().max(0.05))));
        let next = || (1..self.effects.len()).map(|by| (here + by) % self.effects.len()).find(|i| fits(*i));
        match last.filter(|(i, _)| fits(*i)).or_else(|| Some((next()?, Share::HALF.get()))) {
            Some(with) => self.with_blend(Some(with)).map(Some),
            None => Err(Fault::notice("This effect has no partner to blend with", "Choose another effect")),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::cli::Cli;

    /// Two effects of one network, and one of another.
    fn choices(arguments: &[&str], settings: &Settings) -> Choices {
        let cli = Cli::parse_from([&["impasto"], arguments].concat());
        let entry = |name: &str, network: &str| EffectEntry {
            name: name.to_owned(),
            title: name.to_uppercase(),
            variants: vec!["s".to_owned(), "m".to_owned()],
            network: network.to_owned(),
            relief: true,
            canvas: name == "oil",
            ..EffectEntry::default()
        };
        let effects = vec![entry("ink", "one"), entry("oil", "one"), entry("lead", "two")];
        Choices { effects, ..Choices::new(&cli.window, settings) }
    }

    #[test]
    fn a_blend_comes_back_as_it_was() {
        let mut choices = choices(&[], &Settings::default());
        choices.set_request(choices.with_blend_toggled().unwrap().unwrap());
        assert_eq!(choices.blend(), Some((0, 1, 0.5)), "half of the next at first");
        choices.set_request(choices.with_blend(Some((1, 0.3))).unwrap());
        choices.set_request(choices.with_blend_toggled().unwrap().unwrap());
        assert_eq!(choices.blend(), None);
        choices.set_request(choices.with_blend_toggled().unwrap().unwrap());
        assert_eq!(choices.blend(), Some((0, 1, 0.3)));
        // Not with another network, and not with itself.
        assert!(choices.with_blend(Some((2, 0.5))).is_err() && choices.with_blend(Some((0, 0.5))).is_err());
        choices.set_request(choices.with_effect(2).unwrap());
        assert_eq!(choices.blend(), None, "the blend went with its network");
        assert!(choices.with_blend_toggled().is_err(), "nothing else is in that network");
    }

    #[test]
    fn effects_and_variants_go_round() {
        let mut choices = choices(&[], &Settings::default());
        assert_eq!((choices.effect_beside(-1), choices.effect_beside(4)), (Some(2), Some(1)));
        assert_eq!(choices.variant_after("m").as_deref(), Some("s"));
        choices.effects.clear();
        assert_eq!((choices.effect_beside(1), choices.variant_after("s")), (None, None));
        assert!(choices.with_blend_toggled().unwrap().is_none());
    }

    #[test]
    fn each_effect_keeps_its_touch() {
        let mut choices = choices(&["--brush", "150"], &Settings::default());
        assert_eq!(choices.look().brush, 1.5, "what was typed holds for the first effect");
        let thin = Touch { thickness: 0.3, ..Touch::default() };
        assert_eq!(choices.set_touch(thin), None, "ink heeds no canvas: the same painting");
        choices.set_request(choices.with_effect(1).unwrap());
        assert_eq!(choices.controls().touch, Touch::default());
        let bold = Touch { boldness: 1.5, thickness: 0.5, ..Touch::default() };
        let request = choices.set_touch(bold).unwrap();
        assert_eq!(request.touch, Touch { boldness: 1.5, ..Touch::default() });
        choices.set_request(request);
        assert_eq!(choices.look().thickness, 0.5);
        choices.set_request(choices.with_effect(0).unwrap());
        assert_eq!((choices.controls().touch, choices.request().touch), (thin, Touch::default()));
        let settings = choices.settings();
        assert_eq!(settings.touches.len(), 2);
        let again = super::tests::choices(&[], &Settings { effect: Some("oil".to_owned()), ..settings });
        assert_eq!((again.controls().touch, again.request().touch), (bold, bold.on_canvas()));
        choices.set_touch(Touch::default());
        assert_eq!(choices.settings().touches.len(), 1, "as it comes is not remembered");
    }

    #[test]
    fn only_cameras_are_mirrored_and_each_choice_holds_for_its_kind() {
        let mut choices = choices(&[], &Settings::default());
        choices.source_opened(true);
        assert!(choices.controls().mirror);
        choices.set_mirror(false, true);
        choices.source_chosen();
        choices.source_opened(true);
        assert!(!choices.controls().mirror, "cameras are not mirrored any more");
        choices.source_chosen();
        choices.source_opened(false);
        choices.set_mirror(true, false);
        choices.source_opened(false);
        assert!(choices.controls().mirror, "it stays as it was set when the source is opened again");
        choices.source_chosen();
        choices.source_opened(false);
        assert!(!choices.controls().mirror, "a clip is shown as it was made");
    }

    #[test]
    fn what_was_remembered_and_is_gone_gives_way_once() {
        let remembered = |effect: &str, variant: &str| Settings {
            effect: Some(effect.to_owned()),
            variant: Some(variant.to_owned()),
            ..Settings::default()
        };
        let (request, why) = choices(&[], &remembered("cubism", "s")).without_what_is_gone().unwrap();
        assert_eq!((request.effect, request.variant), (None, None));
        assert!(why.unwrap().what.contains("'cubism'"));
        let mut choices_left = choices(&[], &remembered("oil", "xl"));
        let (request, why) = choices_left.without_what_is_gone().unwrap();
        assert_eq!((request.effect.as_deref(), request.variant, why), (Some("oil"), None, None));
        assert!(choices_left.without_what_is_gone().is_none());
        assert!(choices(&[], &remembered("oil", "M")).without_what_is_gone().is_none());
        // What was typed is not what was remembered.
        let mut typed = choices(&["--effect", "cubism"], &remembered("oil", "xl"));
        assert!(typed.without_what_is_gone().is_none() && typed.request().variant.is_none());
    }

    #[test]
    fn a_choice_by_hand_ends_when_the_governor_may_change_something() {
        let mut choices = choices(&["--variant", "s"], &Settings::default());
        assert!(choices.set_keep(Keep::Fixed).is_none());
        assert_eq!(choices.set_keep(Keep::Battery).unwrap().variant, None);
    }
}
