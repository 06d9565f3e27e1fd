//! Compiles `proto/` without a system `protoc`, and turns each method's access option into a table.

use std::error::Error;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

use prost_reflect::{DescriptorPool, DynamicMessage, MethodDescriptor, Value};

fn main() -> Result<(), Box<dyn Error>> {
    let root = PathBuf::from("../../proto");
    println!("cargo:rerun-if-changed={}", root.display());
    let mut files = Vec::new();
    collect(&root, &mut files)?;
    files.sort();

    let descriptors = protox::compile(&files, [&root])?;
    // prost's own types drop the options that it does not know; the encoded set keeps them.
    let encoded = protox::Compiler::new([&root])?
        .include_imports(true)
        .open_files(&files)?
        .encode_file_descriptor_set();
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or("cargo did not name OUT_DIR")?);
    fs::write(out.join("descriptors.bin"), &encoded)?;
    fs::write(out.join("access.rs"), access_table(&encoded)?)?;
    fs::write(out.join("modules.rs"), modules(&root)?)?;
    tonic_prost_build::configure()
        // Maps in one order, so that equal messages have equal bytes and hashes.
        .btree_map(".")
        .emit_rerun_if_changed(false)
        .compile_fds(descriptors)?;
    Ok(())
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, files)?;
        } else if path
            .extension()
            .is_some_and(|extension| extension == "proto")
        {
            files.push(path);
        }
    }
    Ok(())
}

/// `pub mod billing { pub mod v1 { include!(…) } }` for each area.
fn modules(root: &Path) -> Result<String, Box<dyn Error>> {
    let mut text = String::new();
    let mut areas: Vec<_> = fs::read_dir(root.join("quire"))?
        .map(|entry| entry.map(|entry| entry.file_name().to_string_lossy().into_owned()))
        .collect::<Result<_, _>>()?;
    areas.sort();
    for area in areas {
        writeln!(
            text,
            "/// Generated from `proto/quire/{area}/v1`.\npub mod {area} {{ /// Version 1.\npub mod v1 {{ tonic::include_proto!(\"quire.{area}.v1\"); }} }}"
        )?;
    }
    Ok(text)
}

fn access_table(encoded: &[u8]) -> Result<String, Box<dyn Error>> {
    let pool = DescriptorPool::decode(encoded)?;
    let extension = pool
        .get_extension_by_name("quire.common.v1.access")
        .ok_or("the access option is not declared")?;
    let mut text = String::from("&[\n");
    for service in pool.services() {
        for method in service.methods() {
            let options: DynamicMessage = method.options();
            if !options.has_extension(&extension) {
                return Err(format!("{} does not say who may call it", method.full_name()).into());
            }
            let access = options.get_extension(&extension).into_owned();
            writeln!(text, "    {},", access_row(&method, &access)?)?;
        }
    }
    text.push(']');
    Ok(text)
}

fn access_row(method: &MethodDescriptor, access: &Value) -> Result<String, Box<dyn Error>> {
    let message = access.as_message().ok_or("access is not a message")?;
    let field = |name: &str| {
        message
            .get_field_by_name(name)
            .map(|value| value.into_owned())
    };
    let flag = |name: &str| {
        field(name)
            .and_then(|value| value.as_bool())
            .unwrap_or(false)
    };
    let role = field("least_role")
        .and_then(|value| value.as_enum_number())
        .unwrap_or(0);
    let permission = field("permission")
        .and_then(|value| value.as_str().map(str::to_owned))
        .unwrap_or_default();
    let services: Vec<String> = field("services")
        .and_then(|value| value.as_list().map(<[Value]>::to_vec))
        .unwrap_or_default()
        .iter()
        .filter_map(|value| value.as_str().map(str::to_owned))
        .collect();
    Ok(format!(
        "MethodAccess {{ path: \"/{}/{}\", anonymous: {}, least_role: {role}, permission: {permission:?}, services: &{services:?}, agent: {}, in_project: {} }}",
        method.parent_service().full_name(),
        method.name(),
        flag("anonymous"),
        flag("agent"),
        flag("in_project"),
    ))
}
