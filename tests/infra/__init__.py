"""The templates of both languages, evaluated and held against the program, facts and each other.

Why the readers in `bicep/` and `terraform/` are our own: pycep-parser and python-hcl2 read every
file of ours, but as trees with expressions left as text; they would take the place of the two
modules `syntax` alone. The compiler of Bicep comes as a .NET package, and Terraform evaluates
nothing of a provider that it has not downloaded: neither runs from Python's packages. The forge
runs both, see `.github/workflows/infra.yml`.
"""
