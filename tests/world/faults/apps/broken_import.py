"""An application that needs a package nobody installed."""

import package_that_nobody_installed

app = package_that_nobody_installed.make()
