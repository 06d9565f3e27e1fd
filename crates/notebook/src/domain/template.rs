//! Templates: what notebooks can be made from, an environment and files to begin with. They come with Quire.

use chassis::Result;
use chassis::pick::pick;

/// A template.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Template {
    pub(crate) name: &'static str,
    pub(crate) description: &'static str,
    /// The environment that it starts in.
    pub(crate) environment: &'static str,
    /// It is of no use without a GPU.
    pub(crate) needs_gpu: bool,
    pub(crate) files: &'static [File],
}

/// A file of a template.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct File {
    /// Where it lies in the notebook's files.
    pub(crate) path: &'static str,
    pub(crate) content: &'static str,
}

/// All of them, by name.
pub(crate) const ALL: [Template; 6] = [
    Template {
        name: "diffusion",
        description: "Train a small diffusion model with diffusers, and make images with it; minutes on a CPU",
        environment: "generative",
        needs_gpu: false,
        files: &[File {
            path: "diffusion.ipynb",
            content: include_str!("../../templates/diffusion/diffusion.ipynb"),
        }],
    },
    Template {
        name: "fine-tune",
        description: "Fine-tune a language model with transformers and LoRA by peft; with the tiny model that it makes, minutes on a CPU",
        environment: "generative",
        needs_gpu: false,
        files: &[File {
            path: "fine_tune.ipynb",
            content: include_str!("../../templates/fine-tune/fine_tune.ipynb"),
        }],
    },
    Template {
        name: "pytorch",
        description: "Train a network with PyTorch on a GPU, or on a CPU in a minute",
        environment: "pytorch",
        needs_gpu: false,
        files: &[File {
            path: "train.ipynb",
            content: include_str!("../../templates/pytorch/train.ipynb"),
        }],
    },
    Template {
        name: "rapids",
        description: "Tables and machine learning on a GPU with cudf and cuml",
        environment: "rapids",
        needs_gpu: true,
        files: &[File {
            path: "rapids.ipynb",
            content: include_str!("../../templates/rapids/rapids.ipynb"),
        }],
    },
    Template {
        name: "scikit-learn",
        description: "A classifier with scikit-learn, from data to a test that it has not seen",
        environment: "datascience",
        needs_gpu: false,
        files: &[File {
            path: "classify.ipynb",
            content: include_str!("../../templates/scikit-learn/classify.ipynb"),
        }],
    },
    Template {
        name: "scratch",
        description: "Start from scratch: Python with JupyterLab, and nothing else",
        environment: "python",
        needs_gpu: false,
        files: &[File {
            path: "start.ipynb",
            content: include_str!("../../templates/scratch/start.ipynb"),
        }],
    },
];

/// The one that `wanted` names.
///
/// # Errors
/// As [`pick`] has them.
pub(crate) fn named(wanted: &str) -> Result<Template> {
    pick("template", wanted, ALL.to_vec(), |template| {
        vec![template.name.to_owned()]
    })
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    /// What is longer is not shown.
    const LONGEST: usize = 64 << 10;

    #[test]
    fn templates_are_found_by_name() {
        assert!(ALL.is_sorted_by_key(|template| template.name));
        for template in ALL {
            assert_eq!(named(template.name).unwrap(), template);
        }
        assert_eq!(named("fine").unwrap().name, "fine-tune");
        assert!(named("sc").unwrap_err().to_string().contains("scratch"));
        let unknown = named("tensorflow").unwrap_err().to_string();
        assert!(unknown.contains("tensorflow"), "{unknown}");
    }

    #[test]
    fn their_files_can_be_placed_and_opened() {
        for file in ALL.iter().flat_map(|template| template.files) {
            let path = file.path;
            assert!(
                !path.starts_with(['/', '-', '.']) && !path.contains(".."),
                "{path}"
            );
            assert!(
                file.content.len() <= LONGEST && !file.content.contains('\0'),
                "{path}"
            );
            let notebook: Value = serde_json::from_str(file.content).unwrap();
            assert_eq!(notebook["nbformat"], 4, "{path}");
            let cells = notebook["cells"].as_array().unwrap();
            let code: Vec<_> = cells
                .iter()
                .filter(|cell| cell["cell_type"] == "code")
                .collect();
            assert!(!code.is_empty(), "{path}");
            for cell in code {
                assert_eq!(
                    cell["outputs"],
                    Value::Array(Vec::new()),
                    "{path} comes without results"
                );
            }
        }
    }
}
