//! A compute shader made ready: its pipeline, and its resources by name.

use std::sync::Arc;

use super::{Gpu, GpuError, GpuWork, Shader};

/// A compute pipeline whose resources (group 0) are bound by their WGSL names.
#[derive(Debug)]
pub struct Kernel {
    name: &'static str,
    pipeline: wgpu::ComputePipeline,
    layout: wgpu::BindGroupLayout,
    bindings: Vec<(String, u32)>,
    workgroup: [u32; 3],
    work: Arc<GpuWork>,
}

impl Kernel {
    /// Compiles `shader` with the given values for its `override` constants.
    ///
    /// # Errors
    /// When the WGSL does not parse, has no entry point of its file's name, or the device refuses it.
    pub fn new(gpu: &Gpu, shader: Shader, constants: &[(&str, f64)]) -> Result<Self, GpuError> {
        let fail = |cause: String| GpuError::Shader { shader: shader.name.to_owned(), cause };
        let wgsl = shader.wgsl();
        let module = naga::front::wgsl::parse_str(&wgsl).map_err(|e| fail(e.emit_to_string(&wgsl)))?;
        let entry = module
            .entry_points
            .iter()
            .find(|e| e.name == shader.entry_point())
            .ok_or_else(|| fail(format!("no entry point '{}'", shader.entry_point())))?;
        let workgroup = workgroup_size(&module, entry, constants).map_err(fail)?;
        let bindings = module
            .global_variables
            .iter()
            .filter_map(|(_, v)| Some((v.name.clone()?, v.binding.filter(|b| b.group == 0)?.binding)))
            .collect();

        let (pipeline, layout) = gpu.checked(shader.name, || {
            let module = gpu.device.create_shader_module(wgpu::ShaderModuleDescriptor {
                label: Some(shader.name),
                source: wgpu::ShaderSource::Wgsl(wgsl.into()),
            });
            let pipeline = gpu.device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
                label: Some(shader.name),
                layout: None,
                module: &module,
                entry_point: Some(shader.entry_point()),
                compilation_options: wgpu::PipelineCompilationOptions {
                    constants,
                    // Every kernel writes workgroup memory before it reads it.
                    zero_initialize_workgroup_memory: false,
                },
                cache: None,
            });
            let layout = pipeline.get_bind_group_layout(0);
            Ok((pipeline, layout))
        })?;
        Ok(Self { name: shader.name, pipeline, layout, bindings, workgroup, work: gpu.work.clone() })
    }

    /// A bind group for group 0. Every resource that the entry point uses must be named, and no other.
    ///
    /// # Errors
    /// When a name is unknown, or the device refuses a resource.
    pub fn bind(
        &self,
        gpu: &Gpu,
        resources: &[(&str, wgpu::BindingResource<'_>)],
    ) -> Result<wgpu::BindGroup, GpuError> {
        let entries = resources
            .iter()
            .map(|(name, resource)| {
                let (_, binding) =
                    self.bindings.iter().find(|(n, _)| n == name).ok_or_else(|| GpuError::UnknownResource {
                        shader: self.name.to_owned(),
                        resource: (*name).to_owned(),
                        known: self.bindings.iter().map(|(n, _)| n.as_str()).collect::<Vec<_>>().join(", "),
                    })?;
                Ok(wgpu::BindGroupEntry { binding: *binding, resource: resource.clone() })
            })
            .collect::<Result<Vec<_>, GpuError>>()?;
        gpu.checked(self.name, || {
            Ok(gpu.device.create_bind_group(&wgpu::BindGroupDescriptor {
                label: Some(self.name),
                layout: &self.layout,
                entries: &entries,
            }))
        })
    }

    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Invocations per workgroup in x, y and z.
    pub fn workgroup(&self) -> [u32; 3] {
        self.workgroup
    }

    /// Workgroups that cover `invocations` in each dimension.
    pub fn groups_for(&self, invocations: [u32; 3]) -> [u32; 3] {
        std::array::from_fn(|i| invocations[i].div_ceil(self.workgroup[i]))
    }

    /// Records one dispatch that covers at least `invocations`.
    pub fn dispatch(&self, pass: &mut wgpu::ComputePass<'_>, bind_group: &wgpu::BindGroup, invocations: [u32; 3]) {
        let [x, y, z] = self.groups_for(invocations);
        pass.set_pipeline(&self.pipeline);
        pass.set_bind_group(0, bind_group, &[]);
        pass.dispatch_workgroups(x, y, z);
        self.work.dispatched();
    }
}

/// The workgroup size after `override` constants, which may name it, have taken their values.
fn workgroup_size(
    module: &naga::Module,
    entry: &naga::EntryPoint,
    constants: &[(&str, f64)],
) -> Result<[u32; 3], String> {
    let Some(overrides) = entry.workgroup_size_overrides else { return Ok(entry.workgroup_size) };
    let mut size = entry.workgroup_size;
    for (side, expression) in size.iter_mut().zip(overrides) {
        let Some(expression) = expression else { continue };
        *side = match &module.global_expressions[expression] {
            naga::Expression::Literal(naga::Literal::U32(n)) => *n,
            naga::Expression::Literal(naga::Literal::I32(n)) => u32::try_from(*n).map_err(|e| e.to_string())?,
            naga::Expression::Override(handle) => {
                let name = module.overrides[*handle].name.as_deref().unwrap_or_default();
                constants
                    .iter()
                    .find(|(n, _)| *n == name)
                    .map(|(_, value)| *value as u32)
                    .ok_or_else(|| format!("the workgroup size needs a value for '{name}'"))?
            }
            _ => return Err("a workgroup size must be a number or one override constant".to_owned()),
        };
    }
    Ok(size)
}
