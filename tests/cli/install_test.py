"""`cmake --install`, moved to another folder, runs with an empty environment and takes no library out of the source tree.
install_test.py BUILD_DIR
"""
import os
import subprocess
import sys

import harness

BUILD = sys.argv.pop(1) if len(sys.argv) > 1 else str(harness.ROOT / "build")


class InstallTest(harness.Case):
    def test_installed_and_moved(self):
        subprocess.run(["cmake", "--install", BUILD, "--prefix", self.dir / "first"], check=True, capture_output=True)
        os.rename(self.dir / "first", self.dir / "second")
        program = self.dir / "second" / "bin" / "circuitdiff"
        done = subprocess.run([program, "--version"], capture_output=True, text=True, env={}, cwd="/", timeout=60)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertRegex(done.stdout, r"\d+\.\d+\.\d+")
        libraries = subprocess.run(["ldd", program], capture_output=True, text=True, env={"PATH": "/usr/bin:/bin"}).stdout
        self.assertIn(f"{self.dir}/second", libraries)
        self.assertNotIn("not found", libraries)
        for line in libraries.splitlines():
            self.assertNotIn(str(harness.ROOT), line)


if __name__ == "__main__":
    harness.main()
