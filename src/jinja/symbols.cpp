#include "jinja/symbols.h"

#include <algorithm>
#include <map>
#include <set>

namespace circuitdiff::jinja {
namespace {

// How a name gets its first value in a scope.
enum class First { parameter, variable, outer, nothing };

struct Symbols {
  const Symbols* parent = nullptr;
  std::map<uint32_t, First> first;  // every name the scope mentions
  std::set<uint32_t> stores;

  bool known(uint32_t name) const { return first.contains(name) || (parent && parent->known(name)); }
  void load(uint32_t name) {
    if (!known(name)) first[name] = First::variable;
  }
  void store(uint32_t name) {
    stores.insert(name);
    if (!first.contains(name)) first[name] = parent && parent->known(name) ? First::outer : First::nothing;
  }
  void parameter(uint32_t name) {
    stores.insert(name);
    first[name] = First::parameter;
  }
  // After an if: what only some branches store is looked up outside first.
  void merge(const std::vector<Symbols>& branches) {
    std::set<uint32_t> stored;
    for (const Symbols& branch : branches) stored.insert(branch.stores.begin(), branch.stores.end());
    for (const uint32_t name : stores) stored.erase(name);
    for (const Symbols& branch : branches) {
      for (const auto& [name, how] : branch.first) first[name] = how;
      stores.insert(branch.stores.begin(), branch.stores.end());
    }
    for (const uint32_t name : stored)
      first[name] = parent && parent->known(name) ? First::outer : First::variable;
  }
  std::vector<uint32_t> hidden() const {
    std::vector<uint32_t> out;
    for (const auto& [name, how] : first)
      if (how == First::nothing) out.push_back(name);
    return out;
  }
};

void visit(Symbols& symbols, const Expr* expr, bool as_parameter = false) {
  if (!expr) return;
  if (expr->kind == ExprKind::name) {
    if (as_parameter) {
      symbols.parameter(expr->symbol);
    } else if (expr->stores) {
      symbols.store(expr->symbol);
    } else {
      symbols.load(expr->symbol);
    }
  } else if (expr->kind == ExprKind::member) {
    symbols.load(expr->symbol);
  }
  for (const ExprPtr& child : expr->children) visit(symbols, child.get(), as_parameter);
  for (const auto& [name, value] : expr->keywords) visit(symbols, value.get());
  visit(symbols, expr->star.get());
  visit(symbols, expr->double_star.get());
}

void visit(Symbols& symbols, const Body& body);

// What a statement does in the scope it stands in; scopes of its own are not entered.
void visit(Symbols& symbols, const Stmt& stmt) {
  switch (stmt.kind) {
    case StmtKind::output:
    case StmtKind::with:
      for (const ExprPtr& value : stmt.expressions) visit(symbols, value.get());
      return;
    case StmtKind::condition: {
      visit(symbols, stmt.branches[0].test.get());
      Symbols body = symbols, others = symbols, otherwise = symbols;
      visit(body, stmt.branches[0].body);
      for (size_t i = 1; i < stmt.branches.size(); ++i) {
        const Branch& branch = stmt.branches[i];
        if (!branch.test) {
          visit(otherwise, branch.body);
          continue;
        }
        visit(others, branch.test.get());
        Symbols inner = others;
        visit(inner, branch.body);
        others.merge({inner, others, others});
      }
      symbols.merge({body, others, otherwise});
      return;
    }
    case StmtKind::loop:
    case StmtKind::call_block:
    case StmtKind::filter_block:
      visit(symbols, stmt.iter.get());
      return;
    case StmtKind::assign:
      visit(symbols, stmt.iter.get());
      visit(symbols, stmt.target.get());
      return;
    case StmtKind::assign_block:
      visit(symbols, stmt.target.get());
      return;
    case StmtKind::macro:
      symbols.store(stmt.symbol);
      return;
    default:
      return;
  }
}

void visit(Symbols& symbols, const Body& body) {
  for (const StmtPtr& stmt : body) visit(symbols, *stmt);
}

class Walker {
 public:
  explicit Walker(Template& tree) : tree_(tree) {}

  void run() {
    Symbols top;
    visit(top, tree_.body);
    tree_.hidden = top.hidden();
    enter(tree_.body, top);
  }

 private:
  uint32_t symbol(const char* name) const {
    const auto at = std::find(tree_.names.begin(), tree_.names.end(), name);
    return static_cast<uint32_t>(at - tree_.names.begin());
  }

  void enter(Body& body, const Symbols& outer) {
    for (const StmtPtr& stmt : body) enter(*stmt, outer);
  }

  // Gives the scopes of a statement their hidden names.
  void enter(Stmt& stmt, const Symbols& outer) {
    Symbols inner;
    inner.parent = &outer;
    switch (stmt.kind) {
      case StmtKind::condition:
        for (Branch& branch : stmt.branches) enter(branch.body, outer);
        return;
      case StmtKind::loop: {
        if (stmt.uses_loop && symbol("loop") < tree_.names.size()) inner.parameter(symbol("loop"));
        visit(inner, stmt.target.get(), true);
        Symbols otherwise;
        otherwise.parent = &outer;
        visit(otherwise, stmt.otherwise);
        stmt.hidden_otherwise = otherwise.hidden();
        enter(stmt.otherwise, otherwise);
        break;
      }
      case StmtKind::macro:
      case StmtKind::call_block:
        for (const uint32_t parameter : stmt.signature.parameters) inner.parameter(parameter);
        for (const ExprPtr& value : stmt.signature.defaults) visit(inner, value.get());
        if (stmt.signature.uses_caller) inner.parameter(symbol("caller"));
        if (stmt.signature.uses_kwargs) inner.parameter(symbol("kwargs"));
        if (stmt.signature.uses_varargs) inner.parameter(symbol("varargs"));
        break;
      case StmtKind::with:
        for (const ExprPtr& target : stmt.targets) visit(inner, target.get(), true);
        break;
      case StmtKind::assign_block:
        break;
      case StmtKind::filter_block:
        visit(inner, stmt.body);
        visit(inner, stmt.iter.get());
        break;
      case StmtKind::block:
        inner.parent = nullptr;  // it sees the variables, not the scopes around it
        break;
      default:
        return;
    }
    visit(inner, stmt.body);
    stmt.hidden = inner.hidden();
    enter(stmt.body, inner);
  }

  Template& tree_;
};

}  // namespace

void find_hidden_names(Template& tree) { Walker(tree).run(); }

}  // namespace circuitdiff::jinja
