//! Environments: sets of packages that notebooks start in, locked by `scripts/lock-environments`.

use chassis::seal::sha256_hex;

/// A set of packages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Environment {
    pub(crate) name: &'static str,
    pub(crate) description: &'static str,
    /// SHA-256 of the lock, hexadecimal.
    pub(crate) digest: String,
    /// Exact versions and hashes, as `pip` and `uv` read them.
    pub(crate) lock: &'static str,
    /// What the lock was made of: a requirements file without references to others.
    pub(crate) requirements: String,
}

/// The environment of who names none.
pub(crate) const DEFAULT: &str = "python";

/// The environment of this name.
pub(crate) fn named(name: &str) -> Option<Environment> {
    all()
        .into_iter()
        .find(|environment| environment.name == name)
}

/// All environments, by name.
pub(crate) fn all() -> Vec<Environment> {
    vec![
        environment(
            "datascience",
            "Python with JupyterLab, NumPy, pandas, Polars, SciPy, scikit-learn, statsmodels, Matplotlib and seaborn",
            include_str!("../../environments/datascience/lock.txt"),
            include_str!("../../environments/datascience/requirements.in"),
        ),
        environment(
            "generative",
            "Python with JupyterLab, PyTorch for CUDA, Transformers, PEFT, Diffusers, Accelerate and Datasets",
            include_str!("../../environments/generative/lock.txt"),
            include_str!("../../environments/generative/requirements.in"),
        ),
        environment(
            "python",
            "Python with JupyterLab, and nothing else",
            include_str!("../../environments/python/lock.txt"),
            "",
        ),
        environment(
            "pytorch",
            "Python with JupyterLab, PyTorch for CUDA, torchvision, Transformers, Accelerate and Datasets",
            include_str!("../../environments/pytorch/lock.txt"),
            include_str!("../../environments/pytorch/requirements.in"),
        ),
        environment(
            "rapids",
            "Python with JupyterLab, and RAPIDS for CUDA 12: cuDF and cuML, which need a GPU",
            include_str!("../../environments/rapids/lock.txt"),
            include_str!("../../environments/rapids/requirements.in"),
        ),
    ]
}

/// What every environment holds.
const PYTHON: &str = include_str!("../../environments/python/requirements.in");
/// How the others refer to it.
const REFERENCE: &str = "-r ../python/requirements.in";

fn environment(
    name: &'static str,
    description: &'static str,
    lock: &'static str,
    own: &'static str,
) -> Environment {
    let own = own.lines().filter(|line| *line != REFERENCE);
    Environment {
        name,
        description,
        digest: sha256_hex(lock),
        lock,
        requirements: PYTHON.lines().chain(own).collect::<Vec<_>>().join("\n"),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    /// Package to version; what is not `name==version` with the SHA-256 of its files fails the test.
    fn pins(lock: &str) -> BTreeMap<String, String> {
        let requirements = lock.replace("\\\n", " ");
        let pin = |line: &str| {
            let mut words = line.split_whitespace();
            let (name, version) = words
                .next()
                .unwrap()
                .split_once("==")
                .unwrap_or_else(|| panic!("{line} is not pinned"));
            let hashes: Vec<_> = words.collect();
            assert!(!hashes.is_empty(), "{name} has no hash");
            for hash in hashes {
                let digits = hash
                    .strip_prefix("--hash=sha256:")
                    .unwrap_or_else(|| panic!("{name}: {hash}"));
                assert!(
                    digits.len() == 64 && digits.bytes().all(|byte| byte.is_ascii_hexdigit()),
                    "{name}: {hash}"
                );
            }
            (name.to_owned(), version.to_owned())
        };
        requirements.lines().map(pin).collect()
    }

    #[test]
    fn every_lock_is_exact_and_has_what_a_notebook_needs() {
        let environments = all();
        assert!(environments.is_sorted_by_key(|environment| environment.name));
        for environment in environments {
            let pins = pins(environment.lock);
            for package in ["jupyterlab", "ipykernel"] {
                assert!(
                    pins.contains_key(package),
                    "{} lacks {package}",
                    environment.name
                );
            }
            assert!(
                !environment.lock.contains("://"),
                "{} names a host",
                environment.name
            );
            assert_eq!(environment.digest, sha256_hex(environment.lock));
        }
    }

    #[test]
    fn what_was_asked_for_is_whole_and_locked() {
        for environment in all() {
            let pins = pins(environment.lock);
            let asked = environment.requirements.lines();
            let asked: Vec<_> = asked.filter(|line| !line.starts_with('#')).collect();
            assert!(asked.contains(&"jupyterlab"), "{asked:?}");
            for package in asked {
                assert!(
                    pins.contains_key(package),
                    "{package} of {}",
                    environment.name
                );
            }
        }
    }

    #[test]
    fn environments_hold_what_they_are_named_for() {
        let packages = |name: &str| {
            let found = all()
                .into_iter()
                .find(|environment| environment.name == name);
            pins(found.unwrap().lock)
        };
        let datascience = packages("datascience");
        for package in [
            "numpy",
            "pandas",
            "matplotlib",
            "scikit-learn",
            "scipy",
            "seaborn",
        ] {
            assert!(datascience.contains_key(package), "{package}");
        }
        let generative = packages("generative");
        for package in ["torch", "transformers", "peft", "diffusers"] {
            assert!(generative.contains_key(package), "{package}");
        }
        let rapids = packages("rapids");
        for package in ["cudf-cu12", "cuml-cu12"] {
            assert!(rapids.contains_key(package), "{package}");
        }
        let pytorch = packages("pytorch");
        for package in ["torch", "torchvision", "transformers"] {
            assert!(pytorch.contains_key(package), "{package}");
        }
        assert!(
            pytorch.keys().any(|package| package.starts_with("nvidia-")),
            "the CUDA libraries come with it"
        );
        assert!(!packages("python").contains_key("numpy"));
    }
}
