//! Where every value lies: which buffer, which bank, which offset; and the copies that remain.

use std::collections::HashSet;

use super::super::graph::{Shape, ValueId};
use super::arena::{Lifetime, allocate};
use super::lower::{Call, Item, Lowered};
use super::{Bank, Precision, channel_groups};
use crate::units::Extent;

/// Where a value begins.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub bank: Bank,
    /// In elements.
    pub base: u64,
}

/// A call, and for a copy into a concatenation the channel at which it begins.
pub(super) struct PlacedCall<'a> {
    pub call: Call<'a>,
    pub channel_offset: usize,
}

pub(super) struct Placed<'a> {
    pub calls: Vec<PlacedCall<'a>>,
    /// Of each value that a call reads or writes.
    pub places: Vec<Option<Place>>,
    pub banks: Vec<u64>,
    pub unshared_bytes: u64,
}

/// A value as part of a buffer.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Part {
    buffer: usize,
    first_group: u32,
}

const IMAGE: usize = 0;
const PAINTED: usize = 1;
/// Of no shape where there is none.
const CANVAS: usize = 2;

pub(super) fn place<'a>(lowered: &Lowered<'a>, precision: Precision) -> Placed<'a> {
    // A value that would make a call read and write one buffer leaves its slice and is copied there. Every round takes at
    // least one more value out, so this ends.
    let mut copied = HashSet::new();
    let (calls, parts, buffers) = loop {
        let (calls, parts, buffers) = slices(lowered, &copied);
        let clash = calls.iter().find(|c| {
            let target = buffer_of(&parts, c.call.target);
            reads(&c.call).any(|v| buffer_of(&parts, v) == target)
        });
        let Some(clash) = clash else { break (calls, parts, buffers) };
        // A value that is joined twice is copied from its slice; any other call writes the slice.
        let leaves = if clash.call.work_is_copy() { clash.call.source } else { clash.call.target };
        if !copied.insert(leaves) {
            break (calls, parts, buffers);
        }
    };

    let bytes =
        |shape: Shape| u64::from(channel_groups(shape.channels)) * shape.extent.pixels() * 4 * precision.bytes();
    let mut lives: Vec<Option<Lifetime>> = vec![None; buffers.len()];
    for (step, placed) in calls.iter().enumerate() {
        for value in reads(&placed.call).chain([placed.call.target]) {
            let buffer = buffer_of(&parts, value);
            let life = lives[buffer].get_or_insert(Lifetime { bytes: bytes(buffers[buffer]), first: step, last: step });
            life.last = step;
        }
    }
    let colours = colour(&calls, &parts, buffers.len());
    let mut banks = Vec::new();
    let mut offsets = vec![0u64; buffers.len()];
    for bank in 0..colours.iter().flatten().map(|c| c + 1).max().unwrap_or(0) {
        let members: Vec<usize> = (0..buffers.len()).filter(|b| colours[*b] == Some(bank)).collect();
        let lives: Vec<Lifetime> = members.iter().filter_map(|b| lives[*b]).collect();
        let (places, total) = allocate(&lives);
        for (buffer, offset) in members.iter().zip(places) {
            offsets[*buffer] = offset;
        }
        banks.push(total);
    }
    let places = parts
        .iter()
        .map(|part| {
            let Part { buffer, first_group } = (*part)?;
            let bank = match (buffer, colours[buffer]) {
                (IMAGE, _) => Bank::Image,
                (PAINTED, _) => Bank::Painted,
                (CANVAS, _) => Bank::Canvas,
                (_, colour) => Bank::Arena(colour?),
            };
            let plane = buffers[buffer].extent.pixels();
            Some(Place { bank, base: offsets[buffer] / (4 * precision.bytes()) + u64::from(first_group) * plane })
        })
        .collect();
    let unshared_bytes = lives.iter().skip(CANVAS + 1).flatten().map(|l| l.bytes).sum();
    Placed { calls, places, banks, unshared_bytes }
}

fn reads<'c>(call: &'c Call<'_>) -> impl Iterator<Item = ValueId> + 'c {
    [call.source].into_iter().chain(call.second.map(|(v, _)| v))
}

fn buffer_of(parts: &[Option<Part>], value: ValueId) -> usize {
    // Every value that a call names was given a part by `slices`.
    parts[value.0].map_or(IMAGE, |p| p.buffer)
}

type Slices<'a> = (Vec<PlacedCall<'a>>, Vec<Option<Part>>, Vec<Shape>);

/// Gives every value a part of a buffer. Parts of a concatenation are made right where they are wanted when they begin at a
/// whole group and lie nowhere else yet; the others, and those in `copied`, are copied there.
fn slices<'a>(lowered: &Lowered<'a>, copied: &HashSet<ValueId>) -> Slices<'a> {
    let mut parts: Vec<Option<Part>> = vec![None; lowered.shapes.len()];
    let nothing = Shape { channels: 0, extent: Extent::default() };
    let canvas = lowered.canvas.map_or(nothing, |canvas| lowered.shapes[canvas.0]);
    let mut buffers = vec![lowered.shapes[ValueId::IMAGE.0], lowered.shapes[lowered.painted.0], canvas];
    parts[ValueId::IMAGE.0] = Some(Part { buffer: IMAGE, first_group: 0 });
    parts[lowered.painted.0] = Some(Part { buffer: PAINTED, first_group: 0 });
    if let Some(canvas) = lowered.canvas {
        parts[canvas.0] = Some(Part { buffer: CANVAS, first_group: 0 });
    }
    let made_by_call: HashSet<ValueId> = lowered
        .items
        .iter()
        .filter_map(|item| match item {
            Item::Call(call) => Some(call.target),
            Item::Concat { .. } => None,
        })
        .collect();

    for item in &lowered.items {
        let Item::Concat { parts: joined, target, .. } = item else { continue };
        let buffer = buffers.len();
        buffers.push(lowered.shapes[target.0]);
        parts[target.0] = Some(Part { buffer, first_group: 0 });
        let mut channel = 0;
        for value in joined {
            let free = parts[value.0].is_none() && made_by_call.contains(value) && !copied.contains(value);
            if free && channel % 4 == 0 {
                parts[value.0] = Some(Part { buffer, first_group: (channel / 4) as u32 });
            }
            channel += lowered.shapes[value.0].channels;
        }
    }

    let mut calls = Vec::new();
    for item in &lowered.items {
        match item {
            Item::Call(call) => {
                if parts[call.target.0].is_none() {
                    parts[call.target.0] = Some(Part { buffer: buffers.len(), first_group: 0 });
                    buffers.push(lowered.shapes[call.target.0]);
                }
                calls.push(PlacedCall { call: call.clone(), channel_offset: 0 });
            }
            Item::Concat { name, parts: joined, target } => {
                let whole = buffer_of(&parts, *target);
                let mut seen = HashSet::new();
                let mut channel = 0;
                for value in joined {
                    let here = Part { buffer: whole, first_group: (channel / 4) as u32 };
                    let in_place = channel % 4 == 0 && parts[value.0] == Some(here) && seen.insert(*value);
                    if !in_place {
                        let call = Call::copy(name.clone(), *value, *target);
                        calls.push(PlacedCall { call, channel_offset: channel });
                    }
                    channel += lowered.shapes[value.0].channels;
                }
            }
        }
    }
    (calls, parts, buffers)
}

/// A bank for each buffer but the image, the painting and the canvas, such that no call writes the bank that it reads.
fn colour(calls: &[PlacedCall<'_>], parts: &[Option<Part>], buffers: usize) -> Vec<Option<u8>> {
    let mut meets = vec![HashSet::new(); buffers];
    let mut order = Vec::new();
    for placed in calls {
        let target = buffer_of(parts, placed.call.target);
        order.push(target);
        for source in reads(&placed.call).map(|v| buffer_of(parts, v)) {
            meets[target].insert(source);
            meets[source].insert(target);
        }
    }
    let mut colours: Vec<Option<u8>> = vec![None; buffers];
    for buffer in order {
        if buffer == PAINTED || colours[buffer].is_some() {
            continue;
        }
        let taken: HashSet<u8> = meets[buffer].iter().filter_map(|other| colours[*other]).collect();
        colours[buffer] = (0..=u8::MAX).find(|c| !taken.contains(c));
    }
    colours
}
